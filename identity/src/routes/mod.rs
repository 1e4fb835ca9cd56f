//! The routes, one file a noun. A handler takes the request apart, lets the extractor ask the policy,
//! and calls the service.

mod api_key;
mod auth;
mod credential;
mod group;
mod identity_provider;
mod oidc;
mod organization;
mod permission;
mod project;
mod quota;
mod role_binding;
mod session;
mod signing_key;
mod suspension;
mod totp;

use crate::Identity;
use utoipa_axum::router::OpenApiRouter;

/// All routes about who is who.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(crate::noun::router())
        .merge(auth::router())
        .merge(organization::router())
        .merge(project::router())
        .merge(permission::router())
        .merge(suspension::router())
        .merge(quota::router())
        .merge(group::router())
        .merge(role_binding::router())
        .merge(session::router())
        .merge(credential::router())
        .merge(identity_provider::router())
        .merge(oidc::router())
        .merge(api_key::router())
        .merge(totp::router())
        .merge(signing_key::router())
}
