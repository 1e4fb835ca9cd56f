//! Users.

use crate::Identity;
use crate::extract::{ApiJson, ApiPath, ListParams, ListQuery, Within};
use crate::guarded;
use crate::service::user as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{OrganizationId, UserId};
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::user::{User, UserCreate, UserUpdate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Create a user
///
/// They may do nothing until a role is given to them or to a group they are in.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/users", operation_id = "user_create", tag = "Users",
    request_body = UserCreate,
    responses((status = 201, description = "Made", body = User)))]
async fn create(
    State(app): State<Identity>,
    within: Within<perm::UserCreate>,
    ApiJson(body): ApiJson<UserCreate>,
) -> Result<(StatusCode, Json<User>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, within.organization, body).await?)))
}

/// List users
///
/// Oldest first, in pages; `name` is the user name.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/users", operation_id = "user_list", tag = "Users",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<User>)))]
async fn list(
    State(app): State<Identity>,
    within: Within<perm::UserRead>,
    query: ListQuery,
) -> Result<Json<List<User>>> {
    Ok(Json(service::list(&app, within.organization, query).await?))
}

/// Show a user
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/users/{user_id}", operation_id = "user_get", tag = "Users",
    responses((status = 200, description = "The user", body = User)))]
async fn get(
    State(app): State<Identity>,
    within: Within<perm::UserRead>,
    ApiPath(path): ApiPath<(OrganizationId, UserId)>,
) -> Result<Json<User>> {
    Ok(Json(service::get(&app, within.organization, path.1).await?))
}

/// Change a user
///
/// Disabling acts at once, on tokens too. An organization keeps its last owner.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/users/{user_id}", operation_id = "user_update", tag = "Users",
    params(IfMatch),
    request_body = UserUpdate,
    responses((status = 200, description = "The user", body = User)))]
async fn update(
    State(app): State<Identity>,
    within: Within<perm::UserUpdate>,
    ApiPath(path): ApiPath<(OrganizationId, UserId)>,
    ApiJson(body): ApiJson<UserUpdate>,
) -> Result<Json<User>> {
    Ok(Json(service::update(&app, &within.actor, within.organization, path.1, body).await?))
}

/// Delete a user
///
/// With all their roles. An organization keeps its last owner. To keep the name from others, disable them instead.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/users/{user_id}", operation_id = "user_delete", tag = "Users",
    params(IfMatch),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<Identity>,
    within: Within<perm::UserDelete>,
    ApiPath(path): ApiPath<(OrganizationId, UserId)>,
) -> Result<StatusCode> {
    service::delete(&app, &within.actor, within.organization, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
