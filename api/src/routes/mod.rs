//! The routes, one file a noun. A handler takes the request apart, lets the extractor ask the policy,
//! and calls the service.

mod action;
mod audit;
mod cloud;
mod cloud_instance;
mod connection_log;
mod event;
mod health;
mod host;
mod image;
mod instance;
mod orphan;
mod port;
mod security_group_rule;
mod statistics;

use crate::App;
use utoipa_axum::router::OpenApiRouter;

/// All routes of the REST API.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(crate::resource::router())
        .merge(image::router())
        .merge(security_group_rule::router())
        .merge(port::router())
        .merge(statistics::router())
        .merge(connection_log::router())
        .merge(instance::router())
        .merge(action::router())
        .merge(host::router())
        .merge(cloud_instance::router())
        .merge(cloud::router())
        .merge(orphan::router())
        .merge(event::router())
        .merge(audit::router())
        .merge(health::router())
}
