//! Quotas of organizations and projects.

use crate::Identity;
use crate::extract::{AboveOrganization, AboveProject, ApiJson, System, Tenant, Within};
use crate::guarded;
use crate::service::quota as service;
use axum::Json;
use axum::extract::State;
use iroko_model::permission::perm;
use iroko_store::authority::Scope;
use iroko_web::problem::Result;
use iroko_wire::quota::{DefaultQuotas, Quotas, QuotasUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(guarded!(organization_get, organization_set))
        .merge(guarded!(project_get, project_set))
        .merge(guarded!(default_get, default_set))
}

/// Show the quotas of an organization
///
/// Limits, and what it and everything below it use, counted now.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/quotas", operation_id = "organization_quota_get", tag = "Quotas",
    responses((status = 200, description = "The quotas", body = Quotas)))]
async fn organization_get(State(app): State<Identity>, within: Within<perm::QuotaRead>) -> Result<Json<Quotas>> {
    Ok(Json(service::get(&app, Scope::Organization(within.organization)).await?))
}

/// Set the quotas of an organization
///
/// All at once: what is absent is unlimited, but by what is above. Nobody gets more than what they are part of. A limit below
/// what is used takes nothing away. Asks for the permission above it.
#[utoipa::path(put, path = "/v1/organizations/{organization_id}/quotas", operation_id = "organization_quota_set", tag = "Quotas",
    request_body = QuotasUpdate,
    responses((status = 200, description = "The quotas", body = Quotas)))]
async fn organization_set(
    State(app): State<Identity>,
    above: AboveOrganization<perm::QuotaUpdate>,
    ApiJson(body): ApiJson<QuotasUpdate>,
) -> Result<Json<Quotas>> {
    Ok(Json(service::set(&app, Scope::Organization(above.organization), body).await?))
}

/// Show the quotas of a project
///
/// Limits, and what it uses, counted now.
#[utoipa::path(get, path = "/v1/projects/{project_id}/quotas", operation_id = "project_quota_get", tag = "Quotas",
    responses((status = 200, description = "The quotas", body = Quotas)))]
async fn project_get(State(app): State<Identity>, tenant: Tenant<perm::QuotaRead>) -> Result<Json<Quotas>> {
    Ok(Json(service::get(&app, Scope::Project(tenant.project)).await?))
}

/// Set the quotas of a project
///
/// All at once: what is absent is unlimited, but by what is above. Nobody gets more than what they are part of. A limit below
/// what is used takes nothing away. Asks for the permission above it.
#[utoipa::path(put, path = "/v1/projects/{project_id}/quotas", operation_id = "project_quota_set", tag = "Quotas",
    request_body = QuotasUpdate,
    responses((status = 200, description = "The quotas", body = Quotas)))]
async fn project_set(
    State(app): State<Identity>,
    above: AboveProject<perm::QuotaUpdate>,
    ApiJson(body): ApiJson<QuotasUpdate>,
) -> Result<Json<Quotas>> {
    Ok(Json(service::set(&app, Scope::Project(above.project), body).await?))
}

/// Show the default quotas
///
/// For operators: what new organizations and new projects are limited to.
#[utoipa::path(get, path = "/v1/system/default-quotas", operation_id = "default_quota_get", tag = "Quotas",
    responses((status = 200, description = "The default quotas", body = DefaultQuotas)))]
async fn default_get(State(app): State<Identity>, _system: System<perm::QuotaRead>) -> Result<Json<DefaultQuotas>> {
    Ok(Json(service::default_get(&app).await?))
}

/// Set the default quotas
///
/// For operators. All at once: what is absent is unlimited. They are copied when an organization or a project is made, and become its own quotas, which are changed as any others. Those that are there already keep what they have. A default that is over a limit above what is made becomes that limit.
#[utoipa::path(put, path = "/v1/system/default-quotas", operation_id = "default_quota_set", tag = "Quotas",
    request_body = DefaultQuotas,
    responses((status = 200, description = "The default quotas", body = DefaultQuotas)))]
async fn default_set(
    State(app): State<Identity>,
    _system: System<perm::QuotaUpdate>,
    ApiJson(body): ApiJson<DefaultQuotas>,
) -> Result<Json<DefaultQuotas>> {
    Ok(Json(service::default_set(&app, body).await?))
}
