//! Groups.

use crate::Identity;
use crate::extract::{ApiPath, ListParams, ListQuery, Within};
use crate::guarded;
use crate::service::group as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_model::{GroupId, OrganizationId, UserId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::user::User;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().merge(guarded!(members, member_add, member_remove))
}

/// List a group's members
///
/// Oldest first, in pages; `name` is the user name.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/groups/{group_id}/members", operation_id = "group_member_list", tag = "Groups",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<User>)))]
async fn members(
    State(app): State<Identity>,
    within: Within<perm::GroupRead>,
    ApiPath(path): ApiPath<(OrganizationId, GroupId)>,
    query: ListQuery,
) -> Result<Json<List<User>>> {
    Ok(Json(service::members(&app, within.organization, path.1, query).await?))
}

/// Add a member to a group
///
/// A user of the same organization. Whoever adds one must have all that the group has.
#[utoipa::path(put, path = "/v1/organizations/{organization_id}/groups/{group_id}/members/{user_id}", operation_id = "group_member_add", tag = "Groups",
    responses((status = 204, description = "A member")))]
async fn member_add(
    State(app): State<Identity>,
    within: Within<perm::GroupUpdate>,
    ApiPath(path): ApiPath<(OrganizationId, GroupId, UserId)>,
) -> Result<StatusCode> {
    service::member_add(&app, &within.actor, within.organization, path.1, path.2).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a member out of a group
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/groups/{group_id}/members/{user_id}", operation_id = "group_member_remove", tag = "Groups",
    responses((status = 204, description = "No member any more")))]
async fn member_remove(
    State(app): State<Identity>,
    within: Within<perm::GroupUpdate>,
    ApiPath(path): ApiPath<(OrganizationId, GroupId, UserId)>,
) -> Result<StatusCode> {
    service::member_remove(&app, &within.actor, within.organization, path.1, path.2).await?;
    Ok(StatusCode::NO_CONTENT)
}
