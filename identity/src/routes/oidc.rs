//! Log-in by an identity provider.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ApiQuery, OwnPage, Source};
use crate::service::carrier::ByCookie;
use crate::service::{identity_provider, oidc as service};
use axum::Json;
use axum::extract::State;
use axum::http::header::{COOKIE, InvalidHeaderValue, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use iroko_model::IdentityProviderId;
use iroko_web::problem::{Problem, Result};
use iroko_wire::List;
use iroko_wire::auth::TokenResponse;
use iroko_wire::oidc::{OidcCallback, OidcDevice, OidcDeviceToken, OidcProvider, OidcProviderParams, OidcStart};
use iroko_wire::session::Session;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Binds a log-in to the browser it was begun in.
const COOKIE_NAME: &str = "iroko_oidc";
/// Seconds it lives.
const COOKIE_LIFE_S: u32 = 600;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    let router = OpenApiRouter::new().routes(routes!(list)).routes(routes!(start)).routes(routes!(callback));
    let router = router.routes(routes!(session));
    router.routes(routes!(device)).routes(routes!(device_token))
}

/// List providers to log in by
///
/// What a portal shows before anybody has logged in: the providers of one organization that are not disabled, by name.
#[utoipa::path(get, path = "/v1/auth/oidc", operation_id = "oidc_list", tag = "Log-in",
    params(OidcProviderParams), security(()), responses((status = 200, description = "All of them", body = List<OidcProvider>)))]
async fn list(
    State(app): State<Identity>,
    ApiQuery(query): ApiQuery<OidcProviderParams>,
) -> Result<Json<List<OidcProvider>>> {
    Ok(Json(identity_provider::offered(&app, query.organization_id.into()).await?))
}

/// Log in by a provider, in a browser
///
/// Sends the browser to the provider. It comes back to `redirect_uri` with `code` and `state`, which the page there sends to
/// `POST .../session` for a cookie, or to `POST .../callback` for tokens.
#[utoipa::path(get, path = "/v1/auth/oidc/{identity_provider_id}/start", operation_id = "oidc_start", tag = "Log-in",
    params(OidcStart), security(()),
    responses((status = 303, description = "To the provider", headers(("Location" = String, description = "The provider's page"), ("Set-Cookie" = String, description = "Binds the log-in to this browser")))))]
async fn start(
    State(app): State<Identity>,
    ApiPath(id): ApiPath<IdentityProviderId>,
    ApiQuery(query): ApiQuery<OidcStart>,
) -> Result<(StatusCode, HeaderMap)> {
    let started = service::start(&app, id, query).await?;
    let secure = if started.is_secure { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE_NAME}={}; Path=/v1/auth/oidc; Max-Age={COOKIE_LIFE_S}; HttpOnly; SameSite=Lax{secure}",
        started.cookie
    );
    let text = |text: &str| HeaderValue::from_str(text).map_err(|e: InvalidHeaderValue| Problem::internal(&e));
    let headers = [(LOCATION, text(&started.location)?), (SET_COOKIE, text(&cookie)?)];
    Ok((StatusCode::SEE_OTHER, headers.into_iter().collect()))
}

/// Finish a log-in in a browser
///
/// With the cookie of the browser it was begun in, within ten minutes.
#[utoipa::path(post, path = "/v1/auth/oidc/{identity_provider_id}/callback", operation_id = "oidc_callback", tag = "Log-in",
    security(()),
    request_body = OidcCallback, responses((status = 200, description = "Tokens", body = TokenResponse)))]
async fn callback(
    State(app): State<Identity>,
    source: Source,
    ApiPath(id): ApiPath<IdentityProviderId>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<OidcCallback>,
) -> Result<Json<TokenResponse>> {
    Ok(Json(service::callback(&app, &source, id, cookie(&headers), body).await?))
}

/// Finish a log-in in a browser, for a cookie
///
/// As `.../callback`, for pages of this cloud: the session is held by a cookie, as after `POST /v1/auth/sessions`.
#[utoipa::path(post, path = "/v1/auth/oidc/{identity_provider_id}/session", operation_id = "oidc_session", tag = "Log-in",
    security(("own_page" = [])),
    request_body = OidcCallback,
    responses((status = 201, description = "The session", body = Session, headers(("Set-Cookie" = String, description = "Holds the session")))))]
async fn session(
    State(app): State<Identity>,
    _: OwnPage,
    source: Source,
    ApiPath(id): ApiPath<IdentityProviderId>,
    headers: HeaderMap,
    ApiJson(body): ApiJson<OidcCallback>,
) -> Result<ByCookie> {
    service::callback(&app, &source, id, cookie(&headers), body).await
}

/// Log in by a provider, on a device without a browser
///
/// Show the person `verification_uri` and `user_code`, then ask `POST .../device/token` every `interval_s` seconds.
#[utoipa::path(post, path = "/v1/auth/oidc/{identity_provider_id}/device", operation_id = "oidc_device", tag = "Log-in",
    security(()),
    responses((status = 200, description = "Begun", body = OidcDevice)))]
async fn device(State(app): State<Identity>, ApiPath(id): ApiPath<IdentityProviderId>) -> Result<Json<OidcDevice>> {
    Ok(Json(service::device(&app, id).await?))
}

/// Finish a log-in on a device
///
/// `authorization-pending` until the person has logged in.
#[utoipa::path(post, path = "/v1/auth/oidc/{identity_provider_id}/device/token", operation_id = "oidc_device_token", tag = "Log-in",
    security(()),
    request_body = OidcDeviceToken, responses((status = 200, description = "Tokens", body = TokenResponse)))]
async fn device_token(
    State(app): State<Identity>,
    source: Source,
    ApiPath(id): ApiPath<IdentityProviderId>,
    ApiJson(body): ApiJson<OidcDeviceToken>,
) -> Result<Json<TokenResponse>> {
    Ok(Json(service::device_token(&app, &source, id, body).await?))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}
