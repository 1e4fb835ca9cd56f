//! Connection logs of ports.

use crate::App;
use crate::service::connection_log as service;
use crate::show::connection_log::RecordQuery;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{PortId, ProjectId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::connection_log::{ConnectionLog, ConnectionLogSet, ConnectionRecord, RecordParams};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(get, set, delete)).merge(guarded!(records))
}

/// Record connections of a port
///
/// For a time, at a bounded rate: what no rule lets through, or what begins a connection that a rule lets through, or both. Asking
/// again changes what is recorded and lets the time begin anew; records stay.
#[utoipa::path(put, path = "/v1/projects/{project_id}/ports/{port_id}/connection-log", operation_id = "connection_log_set", tag = "Ports",
    request_body = ConnectionLogSet, responses((status = 200, description = "The log", body = ConnectionLog)))]
async fn set(
    State(app): State<App>,
    tenant: Tenant<perm::ConnectionLogManage>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
    ApiJson(body): ApiJson<ConnectionLogSet>,
) -> Result<Json<ConnectionLog>> {
    Ok(Json(service::set(&app, tenant.project, path.1, body).await?))
}

/// Show the connection log of a port
#[utoipa::path(get, path = "/v1/projects/{project_id}/ports/{port_id}/connection-log", operation_id = "connection_log_get", tag = "Ports",
    responses((status = 200, description = "The log", body = ConnectionLog)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::ConnectionLogRead>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
) -> Result<Json<ConnectionLog>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Delete the connection log of a port
///
/// With its records.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/ports/{port_id}/connection-log", operation_id = "connection_log_delete", tag = "Ports",
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::ConnectionLogManage>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what was recorded of a port
///
/// Oldest first, in pages. Kept for a week, at most the last 10000.
#[utoipa::path(get, path = "/v1/projects/{project_id}/ports/{port_id}/connection-log/records", operation_id = "connection_log_records", tag = "Ports",
    params(RecordParams),
    responses((status = 200, description = "A page", body = List<ConnectionRecord>)))]
async fn records(
    State(app): State<App>,
    tenant: Tenant<perm::ConnectionLogRead>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
    query: RecordQuery,
) -> Result<Json<List<ConnectionRecord>>> {
    Ok(Json(service::records(&app, tenant.project, path.1, query).await?))
}
