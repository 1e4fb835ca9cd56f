//! The second factor.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, Caller, Source, Within};
use crate::guarded;
use crate::service::{session, totp as service};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{OrganizationId, UserId};
use iroko_web::problem::Result;
use iroko_wire::auth::TokenResponse;
use iroko_wire::totp::{RecoveryCodes, SecondFactorRequest, TotpCode, TotpEnrol, TotpEnrolment, TotpStatus};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    let router = OpenApiRouter::new().routes(routes!(second_factor)).merge(guarded!(status, enrol));
    router.merge(guarded!(confirm)).merge(guarded!(disable)).merge(guarded!(recovery_codes)).merge(guarded!(reset))
}

/// Log in: the second step
///
/// For accounts with a second factor. Within five minutes of the first step.
#[utoipa::path(post, path = "/v1/auth/token/second-factor", operation_id = "token_second_factor", tag = "Log-in",
    request_body = SecondFactorRequest, security(()), responses((status = 200, description = "Tokens", body = TokenResponse)))]
async fn second_factor(
    State(app): State<Identity>,
    source: Source,
    ApiJson(body): ApiJson<SecondFactorRequest>,
) -> Result<Json<TokenResponse>> {
    Ok(Json(session::second_factor(&app, &source, body).await?))
}

/// Show my second factor
#[utoipa::path(get, path = "/v1/auth/totp", operation_id = "totp_get", tag = "Log-in",
    responses((status = 200, description = "Its state", body = TotpStatus)))]
async fn status(State(app): State<Identity>, Caller(caller): Caller) -> Result<Json<TotpStatus>> {
    Ok(Json(service::status(&app, caller.actor.user()?).await?))
}

/// Begin to set up a second factor
///
/// Gives a secret for an authenticator. Log-ins need a code once `POST /v1/auth/totp/confirm` has had a right one.
#[utoipa::path(post, path = "/v1/auth/totp", operation_id = "totp_enrol", tag = "Log-in",
    request_body = TotpEnrol, responses((status = 201, description = "The secret", body = TotpEnrolment)))]
async fn enrol(
    State(app): State<Identity>,
    Caller(caller): Caller,
    source: Source,
    ApiJson(body): ApiJson<TotpEnrol>,
) -> Result<(StatusCode, Json<TotpEnrolment>)> {
    Ok((StatusCode::CREATED, Json(service::enrol(&app, &source, caller.actor.user()?, body).await?)))
}

/// Finish setting up a second factor
///
/// From now on log-ins need a code. The recovery codes are shown this once; each is good once.
#[utoipa::path(post, path = "/v1/auth/totp/confirm", operation_id = "totp_confirm", tag = "Log-in",
    request_body = TotpCode, responses((status = 200, description = "Recovery codes", body = RecoveryCodes)))]
async fn confirm(
    State(app): State<Identity>,
    Caller(caller): Caller,
    source: Source,
    ApiJson(body): ApiJson<TotpCode>,
) -> Result<Json<RecoveryCodes>> {
    Ok(Json(service::confirm(&app, &source, caller.actor.user()?, body).await?))
}

/// Give up my second factor
///
/// Needs a code of the authenticator, or a recovery code.
#[utoipa::path(post, path = "/v1/auth/totp/disable", operation_id = "totp_disable", tag = "Log-in",
    request_body = TotpCode, responses((status = 204, description = "Given up")))]
async fn disable(
    State(app): State<Identity>,
    Caller(caller): Caller,
    source: Source,
    ApiJson(body): ApiJson<TotpCode>,
) -> Result<StatusCode> {
    service::disable(&app, &source, caller.actor.user()?, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get new recovery codes
///
/// Those there were no longer count. They are shown this once.
#[utoipa::path(post, path = "/v1/auth/totp/recovery-codes", operation_id = "totp_recovery_codes", tag = "Log-in",
    request_body = TotpCode, responses((status = 200, description = "Recovery codes", body = RecoveryCodes)))]
async fn recovery_codes(
    State(app): State<Identity>,
    Caller(caller): Caller,
    source: Source,
    ApiJson(body): ApiJson<TotpCode>,
) -> Result<Json<RecoveryCodes>> {
    Ok(Json(service::renew_recovery_codes(&app, &source, caller.actor.user()?, body).await?))
}

/// Take a person's second factor away
///
/// For one who has lost both authenticator and recovery codes. Be sure who asks for it.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/users/{user_id}/totp", operation_id = "totp_reset", tag = "Users",
    responses((status = 204, description = "Taken away")))]
async fn reset(
    State(app): State<Identity>,
    within: Within<perm::UserCredential>,
    ApiPath(path): ApiPath<(OrganizationId, UserId)>,
) -> Result<StatusCode> {
    service::reset(&app, &within, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
