//! Log-in, and who has logged in.

use crate::Identity;
use crate::extract::{ApiJson, Caller, Source};
use crate::guarded;
use crate::service::{me as me_service, session};
use axum::Json;
use axum::extract::State;
use iroko_web::problem::Result;
use iroko_wire::auth::{TokenRequest, TokenResponse};
use iroko_wire::me::Me;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(token)).merge(guarded!(me))
}

/// Log in
///
/// Gives an access token for fifteen minutes, and a refresh token that brings the next one.
#[utoipa::path(post, path = "/v1/auth/token", operation_id = "token_create", tag = "Log-in",
    request_body = TokenRequest, security(()), responses((status = 200, description = "A token", body = TokenResponse)))]
async fn token(
    State(app): State<Identity>,
    source: Source,
    ApiJson(body): ApiJson<TokenRequest>,
) -> Result<Json<TokenResponse>> {
    Ok(Json(session::log_in(&app, &source, body).await?))
}

/// Show who I am
///
/// What the caller is, and what it may do where.
#[utoipa::path(get, path = "/v1/auth/me", operation_id = "me_get", tag = "Log-in",
    responses((status = 200, description = "The caller", body = Me)))]
async fn me(State(app): State<Identity>, caller: Caller) -> Result<Json<Me>> {
    Ok(Json(me_service::get(&app, &caller.0.actor).await?))
}
