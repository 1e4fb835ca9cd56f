//! Instances of the whole cloud, for operators.

use crate::App;
use crate::service::cloud_instance as service;
use axum::Json;
use axum::extract::State;
use iroko_identity::extract::{ApiPath, System};
use iroko_identity::guarded;
use iroko_identity::resource::ListOf;
use iroko_model::HostId;
use iroko_model::permission::perm;
use iroko_store::cloud_instance::CloudInstance as Row;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::cloud_instance::CloudInstance;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list)).merge(guarded!(list_of_host))
}

/// List the instances of all tenants
///
/// For operators: whose each instance is, where it is and how it is. What only its tenant is to know is not shown. Instances that are gone are not in it.
#[utoipa::path(get, path = "/v1/system/instances", operation_id = "system_instance_list", tag = "Hosts", params(ListOf<Row>),
    responses((status = 200, description = "A page", body = List<CloudInstance>)))]
async fn list(
    State(app): State<App>,
    _system: System<perm::InstanceSystem>,
    listed: ListOf<Row>,
) -> Result<Json<List<CloudInstance>>> {
    Ok(Json(service::list(&app, &listed).await?))
}

/// List the instances on a host
///
/// For operators: those whose home is this host, whoever owns them.
#[utoipa::path(get, path = "/v1/system/hosts/{host_id}/instances", operation_id = "host_instance_list", tag = "Hosts", params(ListOf<Row>),
    responses((status = 200, description = "A page", body = List<CloudInstance>)))]
async fn list_of_host(
    State(app): State<App>,
    _system: System<perm::InstanceSystem>,
    ApiPath(host): ApiPath<HostId>,
    listed: ListOf<Row>,
) -> Result<Json<List<CloudInstance>>> {
    Ok(Json(service::list_of_host(&app, host, &listed).await?))
}
