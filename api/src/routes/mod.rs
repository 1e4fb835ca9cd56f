//! The routes, one file a noun. A handler takes the request apart, lets the extractor ask the policy,
//! and calls the service.

mod api_key;
mod auth;
mod credential;
mod flavor;
mod health;
mod host;
mod identity_provider;
mod image;
mod instance;
mod network;
mod oidc;
mod port;
mod session;
mod signing_key;
mod ssh_key;
mod subnet;
mod totp;

use crate::App;
use utoipa_axum::router::OpenApiRouter;

/// All routes of the REST API.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(auth::router())
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
        .merge(port::router())
        .merge(instance::router())
        .merge(host::router())
        .merge(health::router())
}
