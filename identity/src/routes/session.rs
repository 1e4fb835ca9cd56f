//! Sessions: log-in of a browser, refresh, log-out, and the list of one's own.

use crate::Identity;
use crate::extract::{Actor, ApiJson, ApiPath, ApiQuery, ListParams, ListQuery, OwnPage, Source};
use crate::service::carrier::ByCookie;
use crate::service::session as service;
use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use iroko_model::SessionId;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::auth::{TokenRequest, TokenResponse};
use iroko_wire::session::{RefreshRequest, Session, SessionsEnd};
use iroko_wire::totp::SecondFactorRequest;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    let router = OpenApiRouter::new().routes(routes!(refresh)).routes(routes!(log_out));
    router.routes(routes!(list, create, delete_all)).routes(routes!(second_factor)).routes(routes!(get, delete))
}

/// Log in, in a browser
///
/// For pages of this cloud. The session is held by a cookie that no script can read; nothing in the answer is secret. The
/// cookie is renewed by itself. Requests with it that change something have `X-Iroko-Session: cookie`, as this one has.
#[utoipa::path(post, path = "/v1/auth/sessions", operation_id = "session_create", tag = "Log-in",
    request_body = TokenRequest, security(("own_page" = [])),
    responses((status = 201, description = "The session", body = Session, headers(("Set-Cookie" = String, description = "Holds the session")))))]
async fn create(
    State(app): State<Identity>,
    _: OwnPage,
    source: Source,
    ApiJson(body): ApiJson<TokenRequest>,
) -> Result<ByCookie> {
    service::log_in(&app, &source, body).await
}

/// Log in, in a browser: the second step
///
/// For accounts with a second factor. Within five minutes of the first step.
#[utoipa::path(post, path = "/v1/auth/sessions/second-factor", operation_id = "session_second_factor", tag = "Log-in",
    request_body = SecondFactorRequest, security(("own_page" = [])),
    responses((status = 201, description = "The session", body = Session, headers(("Set-Cookie" = String, description = "Holds the session")))))]
async fn second_factor(
    State(app): State<Identity>,
    _: OwnPage,
    source: Source,
    ApiJson(body): ApiJson<SecondFactorRequest>,
) -> Result<ByCookie> {
    service::second_factor(&app, &source, body).await
}

/// Get the next access token
///
/// A refresh token is good for one exchange; keep the one in the answer. If an answer is lost, the same request
/// gives it again once, within 30 seconds. A token that was used before ends the session.
#[utoipa::path(post, path = "/v1/auth/refresh", operation_id = "token_refresh", tag = "Log-in",
    request_body = RefreshRequest, security(()), responses((status = 200, description = "Tokens", body = TokenResponse)))]
async fn refresh(
    State(app): State<Identity>,
    source: Source,
    ApiJson(body): ApiJson<RefreshRequest>,
) -> Result<Json<TokenResponse>> {
    Ok(Json(service::refresh(&app, &source, body).await?))
}

/// Log out
///
/// Ends the session of this request: its access tokens and its refresh token, or its cookie, stop at once.
#[utoipa::path(post, path = "/v1/auth/logout", operation_id = "session_log_out", tag = "Log-in",
    responses((status = 204, description = "Logged out")))]
async fn log_out(State(app): State<Identity>, actor: Actor, headers: HeaderMap) -> Result<Response> {
    service::revoke(&app, actor.user()?, actor.session()?, "log_out").await?;
    Ok(logged_out(&app, &headers))
}

/// The session of the request has ended: a browser drops its cookie.
fn logged_out(app: &Identity, headers: &HeaderMap) -> Response {
    let cookies = &app.credentials.cookies;
    let cleared = cookies.read(headers).and_then(|_| cookies.clear()).map(|cookie| (SET_COOKIE, cookie));
    (StatusCode::NO_CONTENT, AppendHeaders(cleared)).into_response()
}

/// List my sessions
///
/// Those that have not ended, oldest first, in pages.
#[utoipa::path(get, path = "/v1/auth/sessions", operation_id = "session_list", tag = "Log-in",
    params(ListParams), responses((status = 200, description = "A page", body = List<Session>)))]
async fn list(State(app): State<Identity>, actor: Actor, query: ListQuery) -> Result<Json<List<Session>>> {
    Ok(Json(service::list(&app, actor.user()?, actor.session().ok(), query).await?))
}

/// Show one of my sessions
///
/// One that has not ended, without its tokens.
#[utoipa::path(get, path = "/v1/auth/sessions/{session_id}", operation_id = "session_get", tag = "Log-in",
    responses((status = 200, description = "The session", body = Session)))]
async fn get(State(app): State<Identity>, actor: Actor, ApiPath(id): ApiPath<SessionId>) -> Result<Json<Session>> {
    Ok(Json(service::get(&app, actor.user()?, actor.session().ok(), id).await?))
}

/// End one of my sessions
///
/// Its access tokens and its refresh token stop at once.
#[utoipa::path(delete, path = "/v1/auth/sessions/{session_id}", operation_id = "session_delete", tag = "Log-in",
    responses((status = 204, description = "Ended")))]
async fn delete(State(app): State<Identity>, actor: Actor, ApiPath(id): ApiPath<SessionId>) -> Result<StatusCode> {
    service::revoke(&app, actor.user()?, id, "revoked").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all my sessions
///
/// Also the one of this request, unless `keep_current` is set.
#[utoipa::path(delete, path = "/v1/auth/sessions", operation_id = "session_delete_all", tag = "Log-in",
    params(SessionsEnd), responses((status = 204, description = "Ended")))]
async fn delete_all(
    State(app): State<Identity>,
    actor: Actor,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<SessionsEnd>,
) -> Result<Response> {
    let except = if query.keep_current { Some(actor.session()?) } else { None };
    service::revoke_all(&app, actor.user()?, except).await?;
    Ok(if query.keep_current { StatusCode::NO_CONTENT.into_response() } else { logged_out(&app, &headers) })
}
