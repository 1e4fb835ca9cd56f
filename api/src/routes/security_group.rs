//! Security groups.

use crate::App;
use crate::service::security_group as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{ProjectId, SecurityGroupId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::security_group::{SecurityGroup, SecurityGroupCreate, SecurityGroupUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create a security group
///
/// It has no rules yet: a port that is in no other group sends and gets nothing.
#[utoipa::path(post, path = "/v1/projects/{project_id}/security-groups", operation_id = "security_group_create", tag = "Security groups",
    params(("project_id" = uuid::Uuid, Path, description = "The project")),
    request_body = SecurityGroupCreate, responses((status = 201, description = "Made", body = SecurityGroup)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupCreate>,
    ApiJson(body): ApiJson<SecurityGroupCreate>,
) -> Result<(StatusCode, Json<SecurityGroup>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List security groups
///
/// Oldest first, in pages; the default group of the project is among them.
#[utoipa::path(get, path = "/v1/projects/{project_id}/security-groups", operation_id = "security_group_list", tag = "Security groups",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ListParams),
    responses((status = 200, description = "A page", body = List<SecurityGroup>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupRead>,
    query: ListQuery,
) -> Result<Json<List<SecurityGroup>>> {
    Ok(Json(service::list(&app, tenant.project, query).await?))
}

/// Show a security group
#[utoipa::path(get, path = "/v1/projects/{project_id}/security-groups/{security_group_id}", operation_id = "security_group_get", tag = "Security groups",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("security_group_id" = uuid::Uuid, Path, description = "The security group")),
    responses((status = 200, description = "The security group", body = SecurityGroup)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupRead>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId)>,
) -> Result<Json<SecurityGroup>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Change a security group
///
/// The default group can be changed too, but not renamed.
#[utoipa::path(patch, path = "/v1/projects/{project_id}/security-groups/{security_group_id}", operation_id = "security_group_update", tag = "Security groups",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("security_group_id" = uuid::Uuid, Path, description = "The security group")),
    request_body = SecurityGroupUpdate, responses((status = 200, description = "The security group", body = SecurityGroup)))]
async fn update(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupUpdate>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId)>,
    ApiJson(body): ApiJson<SecurityGroupUpdate>,
) -> Result<Json<SecurityGroup>> {
    Ok(Json(service::update(&app, tenant.project, path.1, body).await?))
}

/// Delete a security group
///
/// With its rules. No port may be in it, and no other group refer to it; the default group stays.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/security-groups/{security_group_id}", operation_id = "security_group_delete", tag = "Security groups",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("security_group_id" = uuid::Uuid, Path, description = "The security group")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::SecurityGroupDelete>,
    ApiPath(path): ApiPath<(ProjectId, SecurityGroupId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
