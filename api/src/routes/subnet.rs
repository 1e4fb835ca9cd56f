//! Subnets.

use crate::App;
use crate::service::subnet as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ApiQuery, ListParams, ListQuery, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{NetworkId, ProjectId, SubnetId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::subnet::{Subnet, SubnetCreate};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list, create)).merge(guarded!(get, delete))
}

/// Narrows a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfNetwork {
    /// Only those of this network.
    #[param(value_type = Option<String>, format = Uuid)]
    network_id: Option<NetworkId>,
}

/// Create a subnet
///
/// Ports of the network get an address of it from then on. Subnets of one network must not overlap.
#[utoipa::path(post, path = "/v1/projects/{project_id}/subnets", operation_id = "subnet_create", tag = "Subnets",
    params(("project_id" = uuid::Uuid, Path, description = "The project")),
    request_body = SubnetCreate, responses((status = 201, description = "Made", body = Subnet)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::SubnetCreate>,
    ApiJson(body): ApiJson<SubnetCreate>,
) -> Result<(StatusCode, Json<Subnet>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, tenant.project, body).await?)))
}

/// List subnets
///
/// Oldest first, in pages.
#[utoipa::path(get, path = "/v1/projects/{project_id}/subnets", operation_id = "subnet_list", tag = "Subnets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ListParams, OfNetwork),
    responses((status = 200, description = "A page", body = List<Subnet>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::SubnetRead>,
    ApiQuery(of): ApiQuery<OfNetwork>,
    query: ListQuery,
) -> Result<Json<List<Subnet>>> {
    Ok(Json(service::list(&app, tenant.project, of.network_id, query).await?))
}

/// Show a subnet
#[utoipa::path(get, path = "/v1/projects/{project_id}/subnets/{subnet_id}", operation_id = "subnet_get", tag = "Subnets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ("subnet_id" = uuid::Uuid, Path, description = "The subnet")),
    responses((status = 200, description = "The subnet", body = Subnet)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::SubnetRead>,
    ApiPath(path): ApiPath<(ProjectId, SubnetId)>,
) -> Result<Json<Subnet>> {
    Ok(Json(service::get(&app, tenant.project, path.1).await?))
}

/// Delete a subnet
///
/// No port may have an address of it.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/subnets/{subnet_id}", operation_id = "subnet_delete", tag = "Subnets",
    params(("project_id" = uuid::Uuid, Path, description = "The project"), ("subnet_id" = uuid::Uuid, Path, description = "The subnet")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::SubnetDelete>,
    ApiPath(path): ApiPath<(ProjectId, SubnetId)>,
) -> Result<StatusCode> {
    service::delete(&app, tenant.project, path.1).await?;
    Ok(StatusCode::NO_CONTENT)
}
