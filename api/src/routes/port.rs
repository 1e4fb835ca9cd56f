//! Ports.

use crate::App;
use crate::service::port as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiPath, ApiQuery, CheckedJson, ListParams, ListQuery, Patch, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{InstanceId, NetworkId, PortId, ProjectId};
use iroko_store::port::PortFilter;
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::port::{Port, PortCreate, PortSettings};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, update, delete))
}

/// Narrows a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfWhat {
    /// Only those of this network.
    #[param(value_type = Option<String>, format = Uuid)]
    network_id: Option<NetworkId>,
    /// Only those of this instance.
    #[param(value_type = Option<String>, format = Uuid)]
    instance_id: Option<InstanceId>,
}

/// Create a port
///
/// It stands alone: its addresses are kept until it is deleted, and an instance can be made with it.
#[utoipa::path(post, path = "/v1/projects/{project_id}/ports", operation_id = "port_create", tag = "Ports",
    request_body = PortCreate, responses((status = 201, description = "Made", body = Port)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::PortCreate>,
    CheckedJson(body): CheckedJson<PortCreate>,
) -> Result<(StatusCode, Json<Port>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List ports
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects/{project_id}/ports", operation_id = "port_list", tag = "Ports",
    params(ListParams, OfWhat),
    responses((status = 200, description = "A page", body = List<Port>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::PortRead>,
    ApiQuery(of): ApiQuery<OfWhat>,
    query: ListQuery,
) -> Result<Json<List<Port>>> {
    let filter = PortFilter { common: query.filter, network_id: of.network_id, instance_id: of.instance_id };
    Ok(Json(service::list(&app, tenant.project, query.page, &filter).await?))
}

/// Show a port
#[utoipa::path(get, path = "/v1/projects/{project_id}/ports/{port_id}", operation_id = "port_get", tag = "Ports",
    responses((status = 200, description = "The port", body = Port)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::PortRead>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
) -> Result<Json<Port>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Change a port
///
/// Its security groups, the addresses it may use beside its own, and whether either is enforced; acts at once. To switch
/// port security off needs the permission `port.disable_security`, too.
#[utoipa::path(patch, path = "/v1/projects/{project_id}/ports/{port_id}", operation_id = "port_update", tag = "Ports",
    params(IfMatch),
    request_body = PortSettings, responses((status = 200, description = "The port", body = Port)))]
async fn update(
    State(app): State<App>,
    tenant: Tenant<perm::PortUpdate>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
    patch: Patch,
) -> Result<Json<Port>> {
    Ok(Json(service::update(&app, &tenant, path.1, &patch).await?))
}

/// Delete a port
///
/// No instance may use it.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/ports/{port_id}", operation_id = "port_delete", tag = "Ports",
    params(IfMatch),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::PortDelete>,
    ApiPath(path): ApiPath<(ProjectId, PortId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
