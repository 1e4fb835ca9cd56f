//! Organizations.

use crate::Identity;
use crate::extract::{AboveOrganization, ApiQuery, Caller, CheckedJson, ListParams, ListQuery, Patch, System, Within};
use crate::guarded;
use crate::service::organization as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_model::permission::perm;
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::Deletion;
use iroko_wire::List;
use iroko_wire::organization::{Organization, OrganizationCreate, OrganizationSettings};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(guarded!(list, create))
        .merge(guarded!(get, update, delete))
        .merge(guarded!(children, create_below))
}

/// List organizations
///
/// Those that the caller may see. Oldest first, in pages.
#[utoipa::path(get, path = "/v1/organizations", operation_id = "organization_list", tag = "Organizations",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<Organization>)))]
async fn list(State(app): State<Identity>, caller: Caller, query: ListQuery) -> Result<Json<List<Organization>>> {
    Ok(Json(service::list(&app, &caller.0.actor, query).await?))
}

/// Create an organization
///
/// At the top, by an operator; give it an owner, who then runs it.
#[utoipa::path(post, path = "/v1/organizations", operation_id = "organization_create", tag = "Organizations",
    request_body = OrganizationCreate,
    responses((status = 201, description = "Made", body = Organization)))]
async fn create(
    State(app): State<Identity>,
    _system: System<perm::OrganizationCreate>,
    CheckedJson(body): CheckedJson<OrganizationCreate>,
) -> Result<(StatusCode, Json<Organization>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, None, body).await?)))
}

/// Show an organization
#[utoipa::path(get, path = "/v1/organizations/{organization_id}", operation_id = "organization_get", tag = "Organizations",
    responses((status = 200, description = "The organization", body = Organization)))]
async fn get(State(app): State<Identity>, within: Within<perm::OrganizationRead>) -> Result<Json<Organization>> {
    Ok(Json(service::get(&app, within.organization).await?))
}

/// Change an organization
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}", operation_id = "organization_update", tag = "Organizations",
    params(IfMatch),
    request_body = OrganizationSettings,
    responses((status = 200, description = "The organization", body = Organization)))]
async fn update(
    State(app): State<Identity>,
    within: Within<perm::OrganizationUpdate>,
    patch: Patch,
) -> Result<Json<Organization>> {
    Ok(Json(service::update(&app, within.organization, &patch).await?))
}

/// Delete an organization
///
/// Nothing may be left in it, unless `purge` is set: then everything in it is deleted first, instances and all, and
/// its status is `purging` until it is gone. That cannot be taken back. Asks for the permission in the organization above, or on the system.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}", operation_id = "organization_delete", tag = "Organizations",
    params(Deletion, IfMatch),
    responses((status = 204, description = "Deleted"), (status = 202, description = "Being purged")))]
async fn delete(
    State(app): State<Identity>,
    above: AboveOrganization<perm::OrganizationDelete>,
    ApiQuery(query): ApiQuery<Deletion>,
) -> Result<StatusCode> {
    service::delete(&app, &above.actor, above.organization, query.purge).await
}

/// List the organizations below one
///
/// Those right below it: its customers. Oldest first, in pages.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/organizations", operation_id = "organization_children", tag = "Organizations",
    params(ListParams),
    responses((status = 200, description = "A page", body = List<Organization>)))]
async fn children(
    State(app): State<Identity>,
    within: Within<perm::OrganizationRead>,
    query: ListQuery,
) -> Result<Json<List<Organization>>> {
    Ok(Json(service::children(&app, within.organization, query).await?))
}

/// Create an organization below one
///
/// A customer of it. Whoever owns the one above owns it too.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/organizations", operation_id = "organization_create_below", tag = "Organizations",
    request_body = OrganizationCreate,
    responses((status = 201, description = "Made", body = Organization)))]
async fn create_below(
    State(app): State<Identity>,
    within: Within<perm::OrganizationCreate>,
    CheckedJson(body): CheckedJson<OrganizationCreate>,
) -> Result<(StatusCode, Json<Organization>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, Some(within.organization), body).await?)))
}
