//! Suspending and resuming organizations and projects.

use crate::Identity;
use crate::extract::{AboveOrganization, AboveProject};
use crate::guarded;
use crate::service::{organization, project, suspension as service};
use axum::Json;
use axum::extract::State;
use iroko_model::permission::perm;
use iroko_store::authority::Scope;
use iroko_web::problem::Result;
use iroko_wire::organization::Organization;
use iroko_wire::project::Project;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(guarded!(organization_suspend))
        .merge(guarded!(organization_resume))
        .merge(guarded!(project_suspend))
        .merge(guarded!(project_resume))
}

/// Suspend an organization
///
/// Its instances are switched off and its roles count for nothing until it is resumed; nothing is deleted. Its users
/// cannot log in. Asks for
/// the permission above it.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/suspend", operation_id = "organization_suspend", tag = "Organizations",
    responses((status = 200, description = "The organization", body = Organization)))]
async fn organization_suspend(
    State(app): State<Identity>,
    above: AboveOrganization<perm::OrganizationSuspend>,
) -> Result<Json<Organization>> {
    service::set(&app, &above.actor, Scope::Organization(above.organization), true).await?;
    Ok(Json(organization::get(&app, above.organization).await?))
}

/// Resume an organization
///
/// Its instances are as their owners want them again. Asks for the permission above it.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/resume", operation_id = "organization_resume", tag = "Organizations",
    responses((status = 200, description = "The organization", body = Organization)))]
async fn organization_resume(
    State(app): State<Identity>,
    above: AboveOrganization<perm::OrganizationSuspend>,
) -> Result<Json<Organization>> {
    service::set(&app, &above.actor, Scope::Organization(above.organization), false).await?;
    Ok(Json(organization::get(&app, above.organization).await?))
}

/// Suspend a project
///
/// Its instances are switched off and its roles count for nothing until it is resumed; nothing is deleted. Asks for
/// the permission above it.
#[utoipa::path(post, path = "/v1/projects/{project_id}/suspend", operation_id = "project_suspend", tag = "Projects",
    responses((status = 200, description = "The project", body = Project)))]
async fn project_suspend(
    State(app): State<Identity>,
    above: AboveProject<perm::ProjectSuspend>,
) -> Result<Json<Project>> {
    service::set(&app, &above.actor, Scope::Project(above.project), true).await?;
    Ok(Json(project::get(&app, above.project).await?))
}

/// Resume a project
///
/// Its instances are as their owners want them again. Asks for the permission above it.
#[utoipa::path(post, path = "/v1/projects/{project_id}/resume", operation_id = "project_resume", tag = "Projects",
    responses((status = 200, description = "The project", body = Project)))]
async fn project_resume(
    State(app): State<Identity>,
    above: AboveProject<perm::ProjectSuspend>,
) -> Result<Json<Project>> {
    service::set(&app, &above.actor, Scope::Project(above.project), false).await?;
    Ok(Json(project::get(&app, above.project).await?))
}
