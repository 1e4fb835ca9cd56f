//! Roles.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, Within};
use crate::guarded;
use crate::service::role as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{CustomRoleId, OrganizationId};
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::role::{CustomRole, RoleCreate, RoleUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create a role
///
/// Made of named permissions, none of which its maker lacks. It can be given in the organization and below it.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/roles", operation_id = "role_create", tag = "Roles",
    request_body = RoleCreate,
    responses((status = 201, description = "Made", body = CustomRole)))]
async fn create(
    State(app): State<Identity>,
    within: Within<perm::RoleCreate>,
    ApiJson(body): ApiJson<RoleCreate>,
) -> Result<(StatusCode, Json<CustomRole>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, &within, body).await?)))
}

/// List roles
///
/// The organization's own, oldest first, in pages. The built-in ones are `operator`, `auditor`, `owner`, `admin`, `member` and `reader`.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/roles", operation_id = "role_list", tag = "Roles",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<CustomRole>)))]
async fn list(
    State(app): State<Identity>,
    within: Within<perm::RoleRead>,
    query: ListQuery,
) -> Result<Json<List<CustomRole>>> {
    Ok(Json(service::list(&app, within.organization, query).await?))
}

/// Show a role
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/roles/{role_id}", operation_id = "role_get", tag = "Roles",
    responses((status = 200, description = "The role", body = CustomRole)))]
async fn get(
    State(app): State<Identity>,
    within: Within<perm::RoleRead>,
    ApiPath(path): ApiPath<(OrganizationId, CustomRoleId)>,
) -> Result<Json<CustomRole>> {
    Ok(Json(service::get(&app, within.organization, path.1).await?))
}

/// Change a role
///
/// Everybody who has it may do at once what it then allows.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/roles/{role_id}", operation_id = "role_update", tag = "Roles",
    params(IfMatch),
    request_body = RoleUpdate,
    responses((status = 200, description = "The role", body = CustomRole)))]
async fn update(
    State(app): State<Identity>,
    within: Within<perm::RoleUpdate>,
    ApiPath(path): ApiPath<(OrganizationId, CustomRoleId)>,
    ApiJson(body): ApiJson<RoleUpdate>,
) -> Result<Json<CustomRole>> {
    Ok(Json(service::update(&app, &within, path.1, body).await?))
}

/// Delete a role
///
/// Nobody may have it any more.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/roles/{role_id}", operation_id = "role_delete", tag = "Roles",
    params(IfMatch),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<Identity>,
    within: Within<perm::RoleDelete>,
    ApiPath(path): ApiPath<(OrganizationId, CustomRoleId)>,
) -> Result<StatusCode> {
    service::delete(&app, within.organization, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
