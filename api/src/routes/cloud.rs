//! The cloud as a whole, for operators: its room, what is stuck in it, its release.

use crate::App;
use crate::service::{capacity, stuck};
use axum::Json;
use axum::extract::State;
use iroko_identity::extract::System;
use iroko_identity::guarded;
use iroko_identity::resource::ListOf;
use iroko_model::permission::perm;
use iroko_store::stuck::Stuck as Row;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::capacity::Capacity;
use iroko_wire::stuck::Stuck;
use iroko_wire::version::Version;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(capacity_get)).merge(guarded!(stuck_list)).merge(guarded!(version_get))
}

/// Show the capacity of the cloud
///
/// For operators: what hosts have, what is given away and what is left, and how many more instances of each flavor get a host by the rules of placement. Hosts that take nothing now are counted apart.
#[utoipa::path(get, path = "/v1/system/capacity", operation_id = "capacity_get", tag = "Hosts",
    responses((status = 200, description = "The capacity", body = Capacity)))]
async fn capacity_get(State(app): State<App>, _system: System<perm::HostRead>) -> Result<Json<Capacity>> {
    Ok(Json(capacity::get(&app).await?))
}

/// List what is stuck
///
/// For operators: instances, actions, images and ports of all tenants that have not got on for `older_than_s` seconds, each with the reason, since when, and where. What has failed for good is not in it: those are the instances in status `error`.
#[utoipa::path(get, path = "/v1/system/stuck", operation_id = "stuck_list", tag = "Hosts", params(ListOf<Row>),
    responses((status = 200, description = "A page", body = List<Stuck>)))]
async fn stuck_list(
    State(app): State<App>,
    _system: System<perm::InstanceSystem>,
    listed: ListOf<Row>,
) -> Result<Json<List<Stuck>>> {
    Ok(Json(stuck::list(&app, &listed).await?))
}

/// Show the release of the API
///
/// For operators. The releases of the agents are shown with their hosts.
#[utoipa::path(get, path = "/v1/system/version", operation_id = "version_get", tag = "Service",
    responses((status = 200, description = "The release", body = Version)))]
async fn version_get(State(_app): State<App>, _system: System<perm::HostRead>) -> Json<Version> {
    Json(Version { version: env!("CARGO_PKG_VERSION").to_owned() })
}
