//! What the caller may do in a project or an organization. The guard has found it out; nothing is read beside.

use crate::Identity;
use crate::extract::{KnowsOrganization, KnowsProject};
use crate::guarded;
use crate::show::Show;
use axum::Json;
use axum::extract::State;
use iroko_wire::permission::Permissions;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(of_project)).merge(guarded!(of_organization))
}

/// Show what I may do in a project
///
/// All the caller's permissions there, from every role on the project or above it; of a key, only what it allows. For whoever has any: to everybody else the project does not exist.
#[utoipa::path(get, path = "/v1/projects/{project_id}/permissions", operation_id = "project_permission_list", tag = "Projects",
    responses((status = 200, description = "The permissions", body = Permissions)))]
async fn of_project(State(_app): State<Identity>, caller: KnowsProject) -> Json<Permissions> {
    Json(caller.held.show())
}

/// Show what I may do in an organization
///
/// All the caller's permissions there, from every role on the organization or above it; of a key, only what it allows. For whoever has any: to everybody else the organization does not exist.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/permissions", operation_id = "organization_permission_list", tag = "Organizations",
    responses((status = 200, description = "The permissions", body = Permissions)))]
async fn of_organization(State(_app): State<Identity>, caller: KnowsOrganization) -> Json<Permissions> {
    Json(caller.held.show())
}
