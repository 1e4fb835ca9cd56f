//! Orphans, for operators.

use crate::App;
use crate::service::orphan as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ApiQuery, ListParams, ListQuery, System};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{HostId, InstanceId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::instance::Instance;
use iroko_wire::orphan::{Orphan, OrphanAdopt, OrphanParams};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list)).merge(guarded!(remove)).merge(guarded!(adopt))
}

/// List orphans
///
/// For operators. Instances and ports that hosts have and the database does not know, as after a restore from a backup. Their hosts keep them as they are until they are adopted or removed.
#[utoipa::path(get, path = "/v1/system/orphans", operation_id = "orphan_list", tag = "Hosts", params(OrphanParams),
    responses((status = 200, description = "A page", body = List<Orphan>)))]
async fn list(
    State(app): State<App>,
    _system: System<perm::HostRead>,
    ApiQuery(params): ApiQuery<OrphanParams>,
) -> Result<Json<List<Orphan>>> {
    let query = ListParams { limit: params.limit, cursor: params.cursor, ..ListParams::default() };
    Ok(Json(service::list(&app, params.host_id.map(HostId::from), ListQuery::try_from(query)?).await?))
}

/// Remove an orphan
///
/// For operators. The host removes the instance with its disk and its ports; nothing of it is left.
#[utoipa::path(delete, path = "/v1/system/hosts/{host_id}/orphans/{instance_id}", operation_id = "orphan_delete", tag = "Hosts",
    responses((status = 202, description = "The host is told")))]
async fn remove(
    State(app): State<App>,
    _system: System<perm::OrphanManage>,
    ApiPath((host, id)): ApiPath<(HostId, InstanceId)>,
) -> Result<StatusCode> {
    service::remove(&app, host, id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Adopt an orphan
///
/// For operators. The instance becomes one of a project as it is: same id, disk, ports, Ethernet and IP addresses. The project must have its networks, and a flavor must have its size; its ports are in the default security group.
#[utoipa::path(post, path = "/v1/system/hosts/{host_id}/orphans/{instance_id}/adopt", operation_id = "orphan_adopt", tag = "Hosts",
    request_body = OrphanAdopt, responses((status = 201, description = "The instance", body = Instance)))]
async fn adopt(
    State(app): State<App>,
    _system: System<perm::OrphanManage>,
    ApiPath((host, id)): ApiPath<(HostId, InstanceId)>,
    ApiJson(body): ApiJson<OrphanAdopt>,
) -> Result<(StatusCode, Json<Instance>)> {
    Ok((StatusCode::CREATED, Json(service::adopt(&app, host, id, body).await?)))
}
