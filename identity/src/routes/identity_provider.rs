//! Identity providers of organizations.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, Within};
use crate::guarded;
use crate::service::identity_provider as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{IdentityProviderId, OrganizationId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::identity_provider::{IdentityProvider, IdentityProviderWrite};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create an identity provider
///
/// People log in by it at `/v1/auth/oidc/{identity_provider_id}/...`; an account is made at the first log-in.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/identity-providers", operation_id = "identity_provider_create", tag = "Identity providers",
    request_body = IdentityProviderWrite, responses((status = 201, description = "Made", body = IdentityProvider)))]
async fn create(
    State(app): State<Identity>,
    within: Within<perm::IdentityProviderManage>,
    ApiJson(body): ApiJson<IdentityProviderWrite>,
) -> Result<(StatusCode, Json<IdentityProvider>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, &within, body).await?)))
}

/// List identity providers
///
/// Oldest first, in pages, without their secrets.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/identity-providers", operation_id = "identity_provider_list", tag = "Identity providers",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<IdentityProvider>)))]
async fn list(
    State(app): State<Identity>,
    within: Within<perm::IdentityProviderRead>,
    query: ListQuery,
) -> Result<Json<List<IdentityProvider>>> {
    Ok(Json(service::list(&app, within.organization, query).await?))
}

/// Show an identity provider
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/identity-providers/{identity_provider_id}", operation_id = "identity_provider_get", tag = "Identity providers",
    responses((status = 200, description = "The provider", body = IdentityProvider)))]
async fn get(
    State(app): State<Identity>,
    within: Within<perm::IdentityProviderRead>,
    ApiPath(path): ApiPath<(OrganizationId, IdentityProviderId)>,
) -> Result<Json<IdentityProvider>> {
    Ok(Json(service::get(&app, within.organization, path.1).await?))
}

/// Change an identity provider
///
/// All fields are set anew; only a `client_secret` that is left out stays.
#[utoipa::path(put, path = "/v1/organizations/{organization_id}/identity-providers/{identity_provider_id}", operation_id = "identity_provider_update", tag = "Identity providers",
    request_body = IdentityProviderWrite, responses((status = 200, description = "Changed", body = IdentityProvider)))]
async fn update(
    State(app): State<Identity>,
    within: Within<perm::IdentityProviderManage>,
    ApiPath(path): ApiPath<(OrganizationId, IdentityProviderId)>,
    ApiJson(body): ApiJson<IdentityProviderWrite>,
) -> Result<Json<IdentityProvider>> {
    Ok(Json(service::update(&app, &within, path.1, body).await?))
}

/// Delete an identity provider
///
/// Only one that vouches for no account any more.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/identity-providers/{identity_provider_id}", operation_id = "identity_provider_delete", tag = "Identity providers",
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<Identity>,
    within: Within<perm::IdentityProviderManage>,
    ApiPath(path): ApiPath<(OrganizationId, IdentityProviderId)>,
) -> Result<StatusCode> {
    service::delete(&app, within.organization, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
