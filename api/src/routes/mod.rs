//! The routes, one file a noun. A handler takes the request apart, lets the extractor ask the policy,
//! and calls the service.

mod address_set;
mod api_key;
mod audit;
mod auth;
mod connection_log;
mod credential;
mod event;
mod flavor;
mod group;
mod health;
mod host;
mod identity_provider;
mod image;
mod instance;
mod network;
mod oidc;
mod organization;
mod orphan;
mod port;
mod project;
mod qos_policy;
mod quota;
mod role;
mod role_binding;
mod security_group;
mod security_group_rule;
mod service_account;
mod session;
mod signing_key;
mod ssh_key;
mod statistics;
mod subnet;
mod suspension;
mod totp;
mod user;

use crate::App;
use utoipa_axum::router::OpenApiRouter;

/// All routes of the REST API.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(auth::router())
        .merge(organization::router())
        .merge(project::router())
        .merge(suspension::router())
        .merge(quota::router())
        .merge(user::router())
        .merge(group::router())
        .merge(service_account::router())
        .merge(role::router())
        .merge(role_binding::router())
        .merge(session::router())
        .merge(credential::router())
        .merge(identity_provider::router())
        .merge(oidc::router())
        .merge(api_key::router())
        .merge(totp::router())
        .merge(signing_key::router())
        .merge(flavor::router())
        .merge(ssh_key::router())
        .merge(image::router())
        .merge(network::router())
        .merge(subnet::router())
        .merge(security_group::router())
        .merge(security_group_rule::router())
        .merge(address_set::router())
        .merge(qos_policy::router())
        .merge(port::router())
        .merge(statistics::router())
        .merge(connection_log::router())
        .merge(instance::router())
        .merge(host::router())
        .merge(orphan::router())
        .merge(event::router())
        .merge(audit::router())
        .merge(health::router())
}
