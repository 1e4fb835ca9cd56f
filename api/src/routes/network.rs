//! Networks.

use crate::App;
use crate::service::network as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{NetworkId, ProjectId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::network::{Network, NetworkCreate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, delete))
}

/// Create a network
///
/// A layer-2 segment of its own, across all hosts; give it a subnet next.
#[utoipa::path(post, path = "/v1/projects/{project_id}/networks", operation_id = "network_create", tag = "Networks",
    params(("project_id" = uuid::Uuid, Path, description = "The project")),
    request_body = NetworkCreate, responses((status = 201, description = "Made", body = Network)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::NetworkCreate>,
    ApiJson(body): ApiJson<NetworkCreate>,
) -> Result<(StatusCode, Json<Network>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List networks
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects/{project_id}/networks", operation_id = "network_list", tag = "Networks",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ListParams),
    responses((status = 200, description = "A page", body = List<Network>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::NetworkRead>,
    query: ListQuery,
) -> Result<Json<List<Network>>> {
    Ok(Json(service::list(&app, tenant.project, query).await?))
}

/// Show a network
#[utoipa::path(get, path = "/v1/projects/{project_id}/networks/{network_id}", operation_id = "network_get", tag = "Networks",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ("network_id" = uuid::Uuid, Path, description = "The network")),
    responses((status = 200, description = "The network", body = Network)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::NetworkRead>,
    ApiPath(path): ApiPath<(ProjectId, NetworkId)>,
) -> Result<Json<Network>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Delete a network
///
/// Its instances, ports and subnets must be deleted before.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/networks/{network_id}", operation_id = "network_delete", tag = "Networks",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ("network_id" = uuid::Uuid, Path, description = "The network")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::NetworkDelete>,
    ApiPath(path): ApiPath<(ProjectId, NetworkId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
