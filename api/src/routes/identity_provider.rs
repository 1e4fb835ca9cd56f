//! Identity providers of organizations.

use crate::App;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, Operator};
use crate::problem::Result;
use crate::service::identity_provider as service;
use crate::wire::List;
use crate::wire::identity_provider::{IdentityProvider, IdentityProviderWrite};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::{IdentityProviderId, OrganizationId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// Create an identity provider
///
/// People log in by it at `/v1/auth/oidc/{identity_provider_id}/...`; an account is made at the first log-in.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/identity-providers", operation_id = "identity_provider_create", tag = "Identity providers",
    params(("organization_id" = uuid::Uuid, Path, description = "The organization")),
    request_body = IdentityProviderWrite, responses((status = 201, description = "Made", body = IdentityProvider)))]
async fn create(
    State(app): State<App>,
    _: Operator,
    ApiPath(organization): ApiPath<OrganizationId>,
    ApiJson(body): ApiJson<IdentityProviderWrite>,
) -> Result<(StatusCode, Json<IdentityProvider>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, organization, body).await?)))
}

/// List identity providers
///
/// Oldest first, in pages, without their secrets.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/identity-providers", operation_id = "identity_provider_list", tag = "Identity providers",
    params(("organization_id" = uuid::Uuid, Path, description = "The organization"), ListParams),
    responses((status = 200, description = "A page", body = List<IdentityProvider>)))]
async fn list(
    State(app): State<App>,
    _: Operator,
    ApiPath(organization): ApiPath<OrganizationId>,
    query: ListQuery,
) -> Result<Json<List<IdentityProvider>>> {
    Ok(Json(service::list(&app, organization, query).await?))
}

/// Show an identity provider
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/identity-providers/{identity_provider_id}", operation_id = "identity_provider_get", tag = "Identity providers",
    params(("organization_id" = uuid::Uuid, Path, description = "The organization"), ("identity_provider_id" = uuid::Uuid, Path, description = "The provider")),
    responses((status = 200, description = "The provider", body = IdentityProvider)))]
async fn get(
    State(app): State<App>,
    _: Operator,
    ApiPath((organization, id)): ApiPath<(OrganizationId, IdentityProviderId)>,
) -> Result<Json<IdentityProvider>> {
    Ok(Json(service::get(&app, organization, id).await?))
}

/// Change an identity provider
///
/// All fields are set anew; only a `client_secret` that is left out stays.
#[utoipa::path(put, path = "/v1/organizations/{organization_id}/identity-providers/{identity_provider_id}", operation_id = "identity_provider_update", tag = "Identity providers",
    params(("organization_id" = uuid::Uuid, Path, description = "The organization"), ("identity_provider_id" = uuid::Uuid, Path, description = "The provider")),
    request_body = IdentityProviderWrite, responses((status = 200, description = "Changed", body = IdentityProvider)))]
async fn update(
    State(app): State<App>,
    _: Operator,
    ApiPath((organization, id)): ApiPath<(OrganizationId, IdentityProviderId)>,
    ApiJson(body): ApiJson<IdentityProviderWrite>,
) -> Result<Json<IdentityProvider>> {
    Ok(Json(service::update(&app, organization, id, body).await?))
}

/// Delete an identity provider
///
/// Only one that vouches for no account any more.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/identity-providers/{identity_provider_id}", operation_id = "identity_provider_delete", tag = "Identity providers",
    params(("organization_id" = uuid::Uuid, Path, description = "The organization"), ("identity_provider_id" = uuid::Uuid, Path, description = "The provider")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    _: Operator,
    ApiPath((organization, id)): ApiPath<(OrganizationId, IdentityProviderId)>,
) -> Result<StatusCode> {
    service::delete(&app, organization, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
