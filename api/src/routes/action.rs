//! Actions: what was asked of an instance.

use crate::App;
use crate::service::action as service;
use crate::show::action::ActionQuery;
use axum::Json;
use axum::extract::State;
use iroko_identity::extract::{ApiPath, Tenant};
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_model::{ActionId, InstanceId, ProjectId};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::action::{Action, ActionParams};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list)).merge(guarded!(get))
}

/// List what was asked of an instance
///
/// Oldest first, in pages: its creation, starts, stops, reboots and deletion, with who asked and what became of each.
#[utoipa::path(get, path = "/v1/projects/{project_id}/instances/{instance_id}/actions", operation_id = "instance_action_list", tag = "Instances",
    params(ActionParams),
    responses((status = 200, description = "A page", body = List<Action>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceRead>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
    query: ActionQuery,
) -> Result<Json<List<Action>>> {
    Ok(Json(service::list(&app, tenant.project, path.1, query).await?))
}

/// Show something that was asked of an instance
///
/// The `Location` of the answer to a start, stop, reboot or deletion leads here.
#[utoipa::path(get, path = "/v1/projects/{project_id}/instances/{instance_id}/actions/{action_id}", operation_id = "instance_action_get", tag = "Instances",
    responses((status = 200, description = "The action", body = Action)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceRead>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId, ActionId)>,
) -> Result<Json<Action>> {
    Ok(Json(service::get(&app, tenant.project, path.1, path.2).await?))
}
