//! The audit log.

use crate::App;
use crate::service::audit as service;
use crate::show::audit::AuditQuery;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use iroko_identity::extract::{ApiQuery, Caller, System, Tenant, Within};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_store::audit::Audited;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::audit::{AuditCheckpoint, AuditParams, AuditRecord, ExportParams};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded!(checkpoint))
        .merge(guarded!(system_list))
        .merge(guarded!(system_export))
        .merge(guarded!(organization_list))
        .merge(guarded!(organization_export))
        .merge(guarded!(project_list))
}

async fn exported(app: &App, whose: Audited, extends: Option<u64>) -> Result<Response> {
    let body = Body::from_stream(service::export(app, whose, extends.unwrap_or(0)).await?);
    let headers =
        [(CONTENT_TYPE, "application/jsonl"), (CONTENT_DISPOSITION, "attachment; filename=\"iroko-audit.jsonl\"")];
    Ok((headers, body).into_response())
}

/// Show the log's checkpoint
///
/// A signed statement of how long the whole log is and of what it hashes to. Whoever keeps one can show later that nothing before it was changed.
#[utoipa::path(get, path = "/v1/audit/checkpoint", operation_id = "audit_checkpoint", tag = "Audit",
    responses((status = 200, description = "The checkpoint", body = AuditCheckpoint)))]
async fn checkpoint(State(app): State<App>, _: Caller) -> Result<Json<AuditCheckpoint>> {
    Ok(Json(service::checkpoint(&app).await?))
}

/// List the system's records
///
/// What operators did, and log-ins of nobody known. Oldest first, in pages; a record appears once it is sealed, about a second after it happened.
#[utoipa::path(get, path = "/v1/system/audit/records", operation_id = "audit_system_list", tag = "Audit",
    params(AuditParams), responses((status = 200, description = "A page", body = List<AuditRecord>)))]
async fn system_list(
    State(app): State<App>,
    _: System<perm::AuditSystem>,
    query: AuditQuery,
) -> Result<Json<List<AuditRecord>>> {
    Ok(Json(service::list(&app, Audited::System, query).await?))
}

/// Export the log, with the system's records
///
/// JSON Lines that `iroko-audit verify` proves complete and unchanged, offline. Records of organizations stand in it as hashes only.
#[utoipa::path(get, path = "/v1/system/audit/export", operation_id = "audit_system_export", tag = "Audit",
    params(ExportParams), responses((status = 200, description = "The export", body = String, content_type = "application/jsonl", example = "{\"type\":\"checkpoint\",\"note\":\"...\"}")))]
async fn system_export(
    State(app): State<App>,
    _: System<perm::AuditSystem>,
    ApiQuery(query): ApiQuery<ExportParams>,
) -> Result<Response> {
    exported(&app, Audited::System, query.extends).await
}

/// List an organization's records
///
/// Those of its people and projects, log-ins included. Oldest first, in pages; a record appears once it is sealed, about a second after it happened.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/audit/records", operation_id = "audit_organization_list", tag = "Audit",
    params(AuditParams),
    responses((status = 200, description = "A page", body = List<AuditRecord>)))]
async fn organization_list(
    State(app): State<App>,
    within: Within<perm::AuditRead>,
    query: AuditQuery,
) -> Result<Json<List<AuditRecord>>> {
    Ok(Json(service::list(&app, Audited::Organization(within.organization), query).await?))
}

/// Export the log, with an organization's records
///
/// JSON Lines that `iroko-audit verify` proves complete and unchanged, offline: of the organization's own records, none is missing. Records of others stand in it as hashes only.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/audit/export", operation_id = "audit_organization_export", tag = "Audit",
    params(ExportParams),
    responses((status = 200, description = "The export", body = String, content_type = "application/jsonl", example = "{\"type\":\"checkpoint\",\"note\":\"...\"}")))]
async fn organization_export(
    State(app): State<App>,
    within: Within<perm::AuditRead>,
    ApiQuery(query): ApiQuery<ExportParams>,
) -> Result<Response> {
    exported(&app, Audited::Organization(within.organization), query.extends).await
}

/// List a project's records
///
/// Oldest first, in pages; a record appears once it is sealed, about a second after it happened.
#[utoipa::path(get, path = "/v1/projects/{project_id}/audit/records", operation_id = "audit_project_list", tag = "Audit",
    params(AuditParams),
    responses((status = 200, description = "A page", body = List<AuditRecord>)))]
async fn project_list(
    State(app): State<App>,
    tenant: Tenant<perm::AuditRead>,
    query: AuditQuery,
) -> Result<Json<List<AuditRecord>>> {
    Ok(Json(service::list(&app, Audited::Project(tenant.project), query).await?))
}
