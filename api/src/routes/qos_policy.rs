//! QoS policies.

use crate::App;
use crate::service::qos_policy as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{ProjectId, QosPolicyId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::qos_policy::{QosPolicy, QosPolicyCreate, QosPolicyUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create a QoS policy
///
/// How much ports with it may carry. What holds for a port is the smaller of its policy's and its flavor's limit.
#[utoipa::path(post, path = "/v1/projects/{project_id}/qos-policies", operation_id = "qos_policy_create", tag = "QoS policies",
    params(("project_id" = uuid::Uuid, Path, description = "The project")),
    request_body = QosPolicyCreate, responses((status = 201, description = "Made", body = QosPolicy)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::QosPolicyCreate>,
    ApiJson(body): ApiJson<QosPolicyCreate>,
) -> Result<(StatusCode, Json<QosPolicy>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List QoS policies
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects/{project_id}/qos-policies", operation_id = "qos_policy_list", tag = "QoS policies",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ListParams),
    responses((status = 200, description = "A page", body = List<QosPolicy>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::QosPolicyRead>,
    query: ListQuery,
) -> Result<Json<List<QosPolicy>>> {
    Ok(Json(service::list(&app, tenant.project, query).await?))
}

/// Show a QoS policy
#[utoipa::path(get, path = "/v1/projects/{project_id}/qos-policies/{qos_policy_id}", operation_id = "qos_policy_get", tag = "QoS policies",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("qos_policy_id" = uuid::Uuid, Path, description = "The QoS policy")),
    responses((status = 200, description = "The QoS policy", body = QosPolicy)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::QosPolicyRead>,
    ApiPath(path): ApiPath<(ProjectId, QosPolicyId)>,
) -> Result<Json<QosPolicy>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Change a QoS policy
///
/// `network_limits` takes the place of all four limits there were; the hosts of its ports follow at once.
#[utoipa::path(patch, path = "/v1/projects/{project_id}/qos-policies/{qos_policy_id}", operation_id = "qos_policy_update", tag = "QoS policies",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("qos_policy_id" = uuid::Uuid, Path, description = "The QoS policy")),
    request_body = QosPolicyUpdate, responses((status = 200, description = "The QoS policy", body = QosPolicy)))]
async fn update(
    State(app): State<App>,
    tenant: Tenant<perm::QosPolicyUpdate>,
    ApiPath(path): ApiPath<(ProjectId, QosPolicyId)>,
    ApiJson(body): ApiJson<QosPolicyUpdate>,
) -> Result<Json<QosPolicy>> {
    Ok(Json(service::update(&app, tenant.project, path.1, body).await?))
}

/// Delete a QoS policy
///
/// No port may have it.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/qos-policies/{qos_policy_id}", operation_id = "qos_policy_delete", tag = "QoS policies",
    params(("project_id" = uuid::Uuid, Path, description = "The project"),
        ("qos_policy_id" = uuid::Uuid, Path, description = "The QoS policy")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::QosPolicyDelete>,
    ApiPath(path): ApiPath<(ProjectId, QosPolicyId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
