//! Role bindings, on the system, an organization or a project.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, System, Tenant, Within};
use crate::guarded;
use crate::service::role_binding as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{OrganizationId, ProjectId, RoleBindingId};
use iroko_store::authority::Scope;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::role_binding::{RoleBinding, RoleBindingCreate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(guarded!(system_list, system_create, system_get, system_delete))
        .merge(guarded!(organization_list, organization_create, organization_get, organization_delete))
        .merge(guarded!(project_list, project_create, project_get, project_delete))
}

/// Give a role on the system
///
/// Operators and auditors, by operators.
#[utoipa::path(post, path = "/v1/system/role-bindings", operation_id = "system_role_binding_create", tag = "Roles",
    request_body = RoleBindingCreate,
    responses((status = 201, description = "Given", body = RoleBinding)))]
async fn system_create(
    State(app): State<Identity>,
    system: System<perm::RoleBindingCreate>,
    ApiJson(body): ApiJson<RoleBindingCreate>,
) -> Result<(StatusCode, Json<RoleBinding>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, system.held, Scope::System, body).await?)))
}

/// List the roles given on the system
///
/// Oldest first, in pages. Those given above it are not in the list.
#[utoipa::path(get, path = "/v1/system/role-bindings", operation_id = "system_role_binding_list", tag = "Roles",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<RoleBinding>)))]
async fn system_list(
    State(app): State<Identity>,
    _system: System<perm::RoleBindingRead>,
    query: ListQuery,
) -> Result<Json<List<RoleBinding>>> {
    Ok(Json(service::list(&app, Scope::System, query).await?))
}

/// Show a role given on the system
#[utoipa::path(get, path = "/v1/system/role-bindings/{role_binding_id}", operation_id = "system_role_binding_get", tag = "Roles",
    responses((status = 200, description = "The role binding", body = RoleBinding)))]
async fn system_get(
    State(app): State<Identity>,
    _system: System<perm::RoleBindingRead>,
    ApiPath(id): ApiPath<RoleBindingId>,
) -> Result<Json<RoleBinding>> {
    Ok(Json(service::get(&app, Scope::System, id).await?))
}

/// Take away a role on the system
///
/// Acts at once. An organization keeps its last owner.
#[utoipa::path(delete, path = "/v1/system/role-bindings/{role_binding_id}", operation_id = "system_role_binding_delete", tag = "Roles",
    responses((status = 204, description = "Taken away")))]
async fn system_delete(
    State(app): State<Identity>,
    system: System<perm::RoleBindingDelete>,
    ApiPath(id): ApiPath<RoleBindingId>,
) -> Result<StatusCode> {
    service::delete(&app, system.held, Scope::System, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a role on an organization
///
/// It holds on everything below, too. Nobody gives what they have not got themselves.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/role-bindings", operation_id = "organization_role_binding_create", tag = "Roles",
    request_body = RoleBindingCreate,
    responses((status = 201, description = "Given", body = RoleBinding)))]
async fn organization_create(
    State(app): State<Identity>,
    within: Within<perm::RoleBindingCreate>,
    ApiJson(body): ApiJson<RoleBindingCreate>,
) -> Result<(StatusCode, Json<RoleBinding>)> {
    Ok((
        StatusCode::CREATED,
        Json(service::create(&app, within.held, Scope::Organization(within.organization), body).await?),
    ))
}

/// List the roles given on an organization
///
/// Oldest first, in pages. Those given above it are not in the list.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/role-bindings", operation_id = "organization_role_binding_list", tag = "Roles",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<RoleBinding>)))]
async fn organization_list(
    State(app): State<Identity>,
    within: Within<perm::RoleBindingRead>,
    query: ListQuery,
) -> Result<Json<List<RoleBinding>>> {
    Ok(Json(service::list(&app, Scope::Organization(within.organization), query).await?))
}

/// Show a role given on an organization
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/role-bindings/{role_binding_id}", operation_id = "organization_role_binding_get", tag = "Roles",
    responses((status = 200, description = "The role binding", body = RoleBinding)))]
async fn organization_get(
    State(app): State<Identity>,
    within: Within<perm::RoleBindingRead>,
    ApiPath(path): ApiPath<(OrganizationId, RoleBindingId)>,
) -> Result<Json<RoleBinding>> {
    Ok(Json(service::get(&app, Scope::Organization(within.organization), path.1).await?))
}

/// Take away a role on an organization
///
/// Acts at once. An organization keeps its last owner.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/role-bindings/{role_binding_id}", operation_id = "organization_role_binding_delete", tag = "Roles",
    responses((status = 204, description = "Taken away")))]
async fn organization_delete(
    State(app): State<Identity>,
    within: Within<perm::RoleBindingDelete>,
    ApiPath(path): ApiPath<(OrganizationId, RoleBindingId)>,
) -> Result<StatusCode> {
    service::delete(&app, within.held, Scope::Organization(within.organization), path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a role on a project
///
/// Nobody gives what they have not got themselves.
#[utoipa::path(post, path = "/v1/projects/{project_id}/role-bindings", operation_id = "project_role_binding_create", tag = "Roles",
    request_body = RoleBindingCreate,
    responses((status = 201, description = "Given", body = RoleBinding)))]
async fn project_create(
    State(app): State<Identity>,
    tenant: Tenant<perm::RoleBindingCreate>,
    ApiJson(body): ApiJson<RoleBindingCreate>,
) -> Result<(StatusCode, Json<RoleBinding>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.held, Scope::Project(tenant.project), body).await?)))
}

/// List the roles given on a project
///
/// Oldest first, in pages. Those given above it are not in the list.
#[utoipa::path(get, path = "/v1/projects/{project_id}/role-bindings", operation_id = "project_role_binding_list", tag = "Roles",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<RoleBinding>)))]
async fn project_list(
    State(app): State<Identity>,
    tenant: Tenant<perm::RoleBindingRead>,
    query: ListQuery,
) -> Result<Json<List<RoleBinding>>> {
    Ok(Json(service::list(&app, Scope::Project(tenant.project), query).await?))
}

/// Show a role given on a project
#[utoipa::path(get, path = "/v1/projects/{project_id}/role-bindings/{role_binding_id}", operation_id = "project_role_binding_get", tag = "Roles",
    responses((status = 200, description = "The role binding", body = RoleBinding)))]
async fn project_get(
    State(app): State<Identity>,
    tenant: Tenant<perm::RoleBindingRead>,
    ApiPath(path): ApiPath<(ProjectId, RoleBindingId)>,
) -> Result<Json<RoleBinding>> {
    Ok(Json(service::get(&app, Scope::Project(tenant.project), path.1).await?))
}

/// Take away a role on a project
///
/// Acts at once. An organization keeps its last owner.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/role-bindings/{role_binding_id}", operation_id = "project_role_binding_delete", tag = "Roles",
    responses((status = 204, description = "Taken away")))]
async fn project_delete(
    State(app): State<Identity>,
    tenant: Tenant<perm::RoleBindingDelete>,
    ApiPath(path): ApiPath<(ProjectId, RoleBindingId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.held, Scope::Project(tenant.project), path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
