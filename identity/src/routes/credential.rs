//! Passwords.

use crate::Identity;
use crate::extract::{Actor, ApiJson, ApiPath, Source, Within};
use crate::guarded;
use crate::service::credential as service;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{OrganizationId, UserId};
use iroko_web::problem::Result;
use iroko_wire::credential::{PasswordChange, PasswordReset};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(change)).merge(guarded!(reset))
}

/// Change my password
///
/// All my other sessions end.
#[utoipa::path(post, path = "/v1/auth/password", operation_id = "password_change", tag = "Log-in",
    request_body = PasswordChange, responses((status = 204, description = "Changed")))]
async fn change(
    State(app): State<Identity>,
    actor: Actor,
    source: Source,
    ApiJson(body): ApiJson<PasswordChange>,
) -> Result<StatusCode> {
    service::change(&app, &source, actor.user()?, actor.session().ok(), body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reset a person's password
///
/// All their sessions end, and failures to log in are forgiven. Whoever does it must have all that they have.
#[utoipa::path(put, path = "/v1/organizations/{organization_id}/users/{user_id}/password", operation_id = "password_reset", tag = "Users",
    request_body = PasswordReset, responses((status = 204, description = "Set")))]
async fn reset(
    State(app): State<Identity>,
    within: Within<perm::UserCredential>,
    ApiPath(path): ApiPath<(OrganizationId, UserId)>,
    ApiJson(body): ApiJson<PasswordReset>,
) -> Result<StatusCode> {
    service::reset(&app, &within, path.1, body).await?;
    Ok(StatusCode::NO_CONTENT)
}
