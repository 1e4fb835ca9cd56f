//! The keys that sign access tokens.

use crate::Identity;
use crate::extract::{ApiPath, System};
use crate::guarded;
use crate::service::signing_key as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::signing_key::SigningKey;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(list)).merge(guarded!(rotate)).merge(guarded!(get, delete))
}

/// List the signing keys
///
/// Oldest first: retired ones whose tokens still hold, the active one, the next one.
#[utoipa::path(get, path = "/v1/system/signing-keys", operation_id = "signing_key_list", tag = "Signing keys",
    responses((status = 200, description = "The keys", body = List<SigningKey>)))]
async fn list(State(app): State<Identity>, _system: System<perm::SigningKeyRead>) -> Result<Json<List<SigningKey>>> {
    Ok(Json(service::list(&app).await?))
}

/// Change the signing key now
///
/// The next key signs from now on. Tokens of the one before hold until they end: nobody is logged out.
#[utoipa::path(post, path = "/v1/system/signing-keys/rotate", operation_id = "signing_key_rotate", tag = "Signing keys",
    responses((status = 200, description = "The keys", body = List<SigningKey>)))]
async fn rotate(
    State(app): State<Identity>,
    _system: System<perm::SigningKeyRotate>,
) -> Result<Json<List<SigningKey>>> {
    Ok(Json(service::rotate(&app).await?))
}

/// Show a signing key
///
/// Not what it signs with, which is nobody's to see.
#[utoipa::path(get, path = "/v1/system/signing-keys/{kid}", operation_id = "signing_key_get", tag = "Signing keys",
    params(("kid" = String, Path, description = "The key's name", example = "NzbLsXh8uDCcd-6M")),
    responses((status = 200, description = "The key", body = SigningKey)))]
async fn get(
    State(app): State<Identity>,
    _system: System<perm::SigningKeyRead>,
    ApiPath(kid): ApiPath<String>,
) -> Result<Json<SigningKey>> {
    Ok(Json(service::get(&app, &kid).await?))
}

/// Forget a signing key
///
/// For a key that has leaked. Access tokens it signed stop within seconds; their sessions go on with a refresh.
#[utoipa::path(delete, path = "/v1/system/signing-keys/{kid}", operation_id = "signing_key_delete", tag = "Signing keys",
    params(("kid" = String, Path, description = "The key's name", example = "NzbLsXh8uDCcd-6M")),
    responses((status = 204, description = "Forgotten")))]
async fn delete(
    State(app): State<Identity>,
    _system: System<perm::SigningKeyRotate>,
    ApiPath(kid): ApiPath<String>,
) -> Result<StatusCode> {
    service::delete(&app, &kid).await?;
    Ok(StatusCode::NO_CONTENT)
}
