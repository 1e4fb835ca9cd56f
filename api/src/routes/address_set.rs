//! Address sets.

use crate::App;
use crate::service::address_set as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{AddressSetId, ProjectId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::address_set::{AddressSet, AddressSetCreate, AddressSetUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create an address set
///
/// Rules of security groups can refer to it.
#[utoipa::path(post, path = "/v1/projects/{project_id}/address-sets", operation_id = "address_set_create", tag = "Address sets",
    params(("project_id" = uuid::Uuid, Path, description = "The project")),
    request_body = AddressSetCreate, responses((status = 201, description = "Made", body = AddressSet)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::AddressSetCreate>,
    ApiJson(body): ApiJson<AddressSetCreate>,
) -> Result<(StatusCode, Json<AddressSet>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List address sets
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects/{project_id}/address-sets", operation_id = "address_set_list", tag = "Address sets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ListParams),
    responses((status = 200, description = "A page", body = List<AddressSet>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::AddressSetRead>,
    query: ListQuery,
) -> Result<Json<List<AddressSet>>> {
    Ok(Json(service::list(&app, tenant.project, query).await?))
}

/// Show an address set
#[utoipa::path(get, path = "/v1/projects/{project_id}/address-sets/{address_set_id}", operation_id = "address_set_get", tag = "Address sets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("address_set_id" = uuid::Uuid, Path, description = "The address set")),
    responses((status = 200, description = "The address set", body = AddressSet)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::AddressSetRead>,
    ApiPath(path): ApiPath<(ProjectId, AddressSetId)>,
) -> Result<Json<AddressSet>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Change an address set
///
/// A list of ranges takes the place of the whole list there was.
#[utoipa::path(patch, path = "/v1/projects/{project_id}/address-sets/{address_set_id}", operation_id = "address_set_update", tag = "Address sets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("address_set_id" = uuid::Uuid, Path, description = "The address set")),
    request_body = AddressSetUpdate, responses((status = 200, description = "The address set", body = AddressSet)))]
async fn update(
    State(app): State<App>,
    tenant: Tenant<perm::AddressSetUpdate>,
    ApiPath(path): ApiPath<(ProjectId, AddressSetId)>,
    ApiJson(body): ApiJson<AddressSetUpdate>,
) -> Result<Json<AddressSet>> {
    Ok(Json(service::update(&app, tenant.project, path.1, body).await?))
}

/// Delete an address set
///
/// No rule may refer to it.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/address-sets/{address_set_id}", operation_id = "address_set_delete", tag = "Address sets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("address_set_id" = uuid::Uuid, Path, description = "The address set")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::AddressSetDelete>,
    ApiPath(path): ApiPath<(ProjectId, AddressSetId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
