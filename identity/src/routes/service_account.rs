//! Service accounts.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, Within};
use crate::guarded;
use crate::service::service_account as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{OrganizationId, ServiceAccountId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::service_account::{ServiceAccount, ServiceAccountCreate, ServiceAccountUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create a service account
///
/// A program that acts for the organization. It may do nothing until a role is given to it.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/service-accounts", operation_id = "service_account_create", tag = "Service accounts",
    request_body = ServiceAccountCreate,
    responses((status = 201, description = "Made", body = ServiceAccount)))]
async fn create(
    State(app): State<Identity>,
    within: Within<perm::ServiceAccountCreate>,
    ApiJson(body): ApiJson<ServiceAccountCreate>,
) -> Result<(StatusCode, Json<ServiceAccount>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, within.organization, body).await?)))
}

/// List service accounts
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/service-accounts", operation_id = "service_account_list", tag = "Service accounts",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<ServiceAccount>)))]
async fn list(
    State(app): State<Identity>,
    within: Within<perm::ServiceAccountRead>,
    query: ListQuery,
) -> Result<Json<List<ServiceAccount>>> {
    Ok(Json(service::list(&app, within.organization, query).await?))
}

/// Show a service account
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}", operation_id = "service_account_get", tag = "Service accounts",
    responses((status = 200, description = "The service account", body = ServiceAccount)))]
async fn get(
    State(app): State<Identity>,
    within: Within<perm::ServiceAccountRead>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId)>,
) -> Result<Json<ServiceAccount>> {
    Ok(Json(service::get(&app, within.organization, path.1).await?))
}

/// Change a service account
///
/// Disabling acts at once.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}", operation_id = "service_account_update", tag = "Service accounts",
    request_body = ServiceAccountUpdate,
    responses((status = 200, description = "The service account", body = ServiceAccount)))]
async fn update(
    State(app): State<Identity>,
    within: Within<perm::ServiceAccountUpdate>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId)>,
    ApiJson(body): ApiJson<ServiceAccountUpdate>,
) -> Result<Json<ServiceAccount>> {
    Ok(Json(service::update(&app, &within.actor, within.organization, path.1, body).await?))
}

/// Delete a service account
///
/// With all its roles and keys.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}", operation_id = "service_account_delete", tag = "Service accounts",
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<Identity>,
    within: Within<perm::ServiceAccountDelete>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId)>,
) -> Result<StatusCode> {
    service::delete(&app, &within.actor, within.organization, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
