//! API keys of service accounts.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, Within};
use crate::guarded;
use crate::service::api_key as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{ApiKeyId, OrganizationId, ServiceAccountId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::api_key::{ApiKey, ApiKeyCreate, ApiKeyMade};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, delete))
}

/// Create an API key
///
/// The key is shown this once. It allows what the roles of its service account allow, or less.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}/api-keys", operation_id = "api_key_create", tag = "Service accounts",
    request_body = ApiKeyCreate, responses((status = 201, description = "Made", body = ApiKeyMade)))]
async fn create(
    State(app): State<Identity>,
    within: Within<perm::ApiKeyCreate>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId)>,
    ApiJson(body): ApiJson<ApiKeyCreate>,
) -> Result<(StatusCode, Json<ApiKeyMade>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, &within, path.1, body).await?)))
}

/// List API keys
///
/// Oldest first, in pages, without their secrets.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}/api-keys", operation_id = "api_key_list", tag = "Service accounts",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<ApiKey>)))]
async fn list(
    State(app): State<Identity>,
    within: Within<perm::ApiKeyRead>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId)>,
    query: ListQuery,
) -> Result<Json<List<ApiKey>>> {
    Ok(Json(service::list(&app, within.organization, path.1, query).await?))
}

/// Show an API key
///
/// Without its secret, which was shown when the key was made.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}/api-keys/{api_key_id}", operation_id = "api_key_get", tag = "Service accounts",
    responses((status = 200, description = "The key", body = ApiKey)))]
async fn get(
    State(app): State<Identity>,
    within: Within<perm::ApiKeyRead>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId, ApiKeyId)>,
) -> Result<Json<ApiKey>> {
    Ok(Json(service::get(&app, within.organization, path.1, path.2).await?))
}

/// Delete an API key
///
/// It stops at once.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/service-accounts/{service_account_id}/api-keys/{api_key_id}", operation_id = "api_key_delete", tag = "Service accounts",
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<Identity>,
    within: Within<perm::ApiKeyDelete>,
    ApiPath(path): ApiPath<(OrganizationId, ServiceAccountId, ApiKeyId)>,
) -> Result<StatusCode> {
    service::delete(&app, within.organization, path.1, path.2).await?;
    Ok(StatusCode::NO_CONTENT)
}
