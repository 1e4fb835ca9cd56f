//! Flavors: read by everybody who has logged in, made by operators.

use crate::App;
use crate::service::flavor as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, Caller, ListParams, ListQuery, System};
use iroko_identity::guarded;
use iroko_model::FlavorId;
use iroko_model::permission::perm;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::flavor::{Flavor, FlavorCreate};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list)).merge(guarded!(get)).merge(guarded!(create)).merge(guarded!(delete))
}

/// List flavors
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/flavors", operation_id = "flavor_list", tag = "Flavors", params(ListParams),
    responses((status = 200, description = "A page", body = List<Flavor>)))]
async fn list(State(app): State<App>, _caller: Caller, query: ListQuery) -> Result<Json<List<Flavor>>> {
    Ok(Json(service::list(&app, query).await?))
}

/// Show a flavor
#[utoipa::path(get, path = "/v1/flavors/{flavor_id}", operation_id = "flavor_get", tag = "Flavors",
    params(("flavor_id" = uuid::Uuid, Path, description = "The flavor")),
    responses((status = 200, description = "The flavor", body = Flavor)))]
async fn get(State(app): State<App>, _caller: Caller, ApiPath(id): ApiPath<FlavorId>) -> Result<Json<Flavor>> {
    Ok(Json(service::get(&app, id).await?))
}

/// Create a flavor
///
/// For operators.
#[utoipa::path(post, path = "/v1/system/flavors", operation_id = "flavor_create", tag = "Flavors",
    request_body = FlavorCreate, responses((status = 201, description = "Made", body = Flavor)))]
async fn create(
    State(app): State<App>,
    _system: System<perm::FlavorCreate>,
    ApiJson(body): ApiJson<FlavorCreate>,
) -> Result<(StatusCode, Json<Flavor>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, body).await?)))
}

/// Delete a flavor
///
/// For operators. Instances made with it keep their size.
#[utoipa::path(delete, path = "/v1/system/flavors/{flavor_id}", operation_id = "flavor_delete", tag = "Flavors",
    params(("flavor_id" = uuid::Uuid, Path, description = "The flavor")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    _system: System<perm::FlavorDelete>,
    ApiPath(id): ApiPath<FlavorId>,
) -> Result<StatusCode> {
    service::delete(&app, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
