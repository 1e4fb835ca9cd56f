//! SSH keys.

use crate::App;
use crate::service::ssh_key as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{ProjectId, SshKeyId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::ssh_key::{SshKey, SshKeyCreate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, delete))
}

/// Create an SSH key
///
/// Only the public half is ever sent. Instances made with the key accept it.
#[utoipa::path(post, path = "/v1/projects/{project_id}/ssh-keys", operation_id = "ssh_key_create", tag = "SSH keys",
    params(("project_id" = uuid::Uuid, Path, description = "The project")),
    request_body = SshKeyCreate, responses((status = 201, description = "Made", body = SshKey)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::SshKeyCreate>,
    ApiJson(body): ApiJson<SshKeyCreate>,
) -> Result<(StatusCode, Json<SshKey>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List SSH keys
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects/{project_id}/ssh-keys", operation_id = "ssh_key_list", tag = "SSH keys",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ListParams),
    responses((status = 200, description = "A page", body = List<SshKey>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::SshKeyRead>,
    query: ListQuery,
) -> Result<Json<List<SshKey>>> {
    Ok(Json(service::list(&app, tenant.project, query).await?))
}

/// Show an SSH key
#[utoipa::path(get, path = "/v1/projects/{project_id}/ssh-keys/{ssh_key_id}", operation_id = "ssh_key_get", tag = "SSH keys",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ("ssh_key_id" = uuid::Uuid, Path, description = "The SSH key")),
    responses((status = 200, description = "The SSH key", body = SshKey)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::SshKeyRead>,
    ApiPath(path): ApiPath<(ProjectId, SshKeyId)>,
) -> Result<Json<SshKey>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Delete an SSH key
///
/// Instances made with the key keep accepting it.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/ssh-keys/{ssh_key_id}", operation_id = "ssh_key_delete", tag = "SSH keys",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ("ssh_key_id" = uuid::Uuid, Path, description = "The SSH key")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::SshKeyDelete>,
    ApiPath(path): ApiPath<(ProjectId, SshKeyId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
