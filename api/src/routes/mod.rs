//! The routes, one file a noun. A handler takes the request apart, lets the extractor ask the policy,
//! and calls the service.

mod address_set;
mod audit;
mod connection_log;
mod event;
mod flavor;
mod health;
mod host;
mod image;
mod instance;
mod network;
mod orphan;
mod port;
mod qos_policy;
mod security_group;
mod security_group_rule;
mod ssh_key;
mod statistics;
mod subnet;

use crate::App;
use utoipa_axum::router::OpenApiRouter;

/// All routes of the REST API.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
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
