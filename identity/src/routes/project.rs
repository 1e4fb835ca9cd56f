//! Projects.

use crate::Identity;
use crate::extract::{AboveProject, ApiJson, ApiQuery, Caller, ListParams, ListQuery, Patch, Tenant, Within};
use crate::guarded;
use crate::service::project as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::Deletion;
use iroko_wire::List;
use iroko_wire::project::{Project, ProjectCreate, ProjectSettings};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(mine, list, create)).merge(guarded!(get, update, delete))
}

/// List my projects
///
/// Those that a role on them, or on an organization above them, lets the caller see. Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects", operation_id = "project_list", tag = "Projects",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<Project>)))]
async fn mine(State(app): State<Identity>, caller: Caller, query: ListQuery) -> Result<Json<List<Project>>> {
    Ok(Json(service::list_of(&app, &caller.0.actor, query).await?))
}

/// Create a project
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/projects", operation_id = "project_create", tag = "Projects",
    request_body = ProjectCreate,
    responses((status = 201, description = "Made", body = Project)))]
async fn create(
    State(app): State<Identity>,
    within: Within<perm::ProjectCreate>,
    ApiJson(body): ApiJson<ProjectCreate>,
) -> Result<(StatusCode, Json<Project>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, within.organization, body).await?)))
}

/// List an organization's projects
///
/// Its own, oldest first, in pages.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/projects", operation_id = "organization_project_list", tag = "Projects",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<Project>)))]
async fn list(
    State(app): State<Identity>,
    within: Within<perm::ProjectRead>,
    query: ListQuery,
) -> Result<Json<List<Project>>> {
    Ok(Json(service::list(&app, within.organization, query).await?))
}

/// Show a project
#[utoipa::path(get, path = "/v1/projects/{project_id}", operation_id = "project_get", tag = "Projects",
    responses((status = 200, description = "The project", body = Project)))]
async fn get(State(app): State<Identity>, tenant: Tenant<perm::ProjectRead>) -> Result<Json<Project>> {
    Ok(Json(service::get(&app, tenant.project).await?))
}

/// Change a project
#[utoipa::path(patch, path = "/v1/projects/{project_id}", operation_id = "project_update", tag = "Projects",
    params(IfMatch),
    request_body = ProjectSettings,
    responses((status = 200, description = "The project", body = Project)))]
async fn update(
    State(app): State<Identity>,
    tenant: Tenant<perm::ProjectUpdate>,
    patch: Patch,
) -> Result<Json<Project>> {
    Ok(Json(service::update(&app, tenant.project, &patch).await?))
}

/// Delete a project
///
/// Nothing may be left in it, unless `purge` is set: then everything in it is deleted first, instances and all, and
/// its status is `purging` until it is gone. That cannot be taken back. Asks for the permission in the project's organization.
#[utoipa::path(delete, path = "/v1/projects/{project_id}", operation_id = "project_delete", tag = "Projects",
    params(Deletion, IfMatch),
    responses((status = 204, description = "Deleted"), (status = 202, description = "Being purged")))]
async fn delete(
    State(app): State<Identity>,
    above: AboveProject<perm::ProjectDelete>,
    ApiQuery(query): ApiQuery<Deletion>,
) -> Result<StatusCode> {
    service::delete(&app, &above.actor, above.project, query.purge).await
}
