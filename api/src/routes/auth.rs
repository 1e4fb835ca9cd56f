//! Log-in and the actor's projects.

use crate::App;
use crate::extract::{Actor, ApiJson, Source};
use crate::problem::Result;
use crate::service::{account as service, session};
use crate::wire::List;
use crate::wire::auth::{TokenRequest, TokenResponse};
use crate::wire::project::Project;
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(token)).routes(routes!(projects))
}

/// Log in
///
/// Gives an access token for fifteen minutes, and a refresh token that brings the next one.
#[utoipa::path(post, path = "/v1/auth/token", operation_id = "token_create", tag = "Log-in",
    request_body = TokenRequest, security(()), responses((status = 200, description = "A token", body = TokenResponse)))]
async fn token(
    State(app): State<App>,
    source: Source,
    ApiJson(body): ApiJson<TokenRequest>,
) -> Result<Json<TokenResponse>> {
    Ok(Json(session::log_in(&app, &source, body).await?))
}

/// List my projects
#[utoipa::path(get, path = "/v1/projects", operation_id = "project_list", tag = "Log-in",
    responses((status = 200, description = "The projects the caller is a member of", body = List<Project>)))]
async fn projects(State(app): State<App>, actor: Actor) -> Result<Json<List<Project>>> {
    Ok(Json(service::projects(&app, &actor).await?))
}
