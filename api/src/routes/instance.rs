//! Instances.

use crate::App;
use crate::service::instance as service;
use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use iroko_identity::extract::{ApiPath, ApiQuery, CheckedJson, Patch, Tenant};
use iroko_identity::guarded;
use iroko_identity::resource::ListOf;
use iroko_model::instance::Power;
use iroko_model::permission::perm;
use iroko_model::{InstanceId, ProjectId};
use iroko_store::instance::Instance as Row;
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::instance::{ConsoleOutput, Instance, InstanceCreate, InstanceSettings, UserData};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded!(list, create))
        .merge(guarded!(get, update, delete))
        .merge(guarded!(start))
        .merge(guarded!(stop))
        .merge(guarded!(reboot))
        .merge(guarded!(console))
        .merge(guarded!(user_data))
}

/// What is looked for besides.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AlsoDeleted {
    /// Also an instance that is gone.
    #[param(default = false)]
    deleted: Option<bool>,
}

/// The answer to a verb: where its action is, and the instance.
type Asked = (StatusCode, [(HeaderName, String); 1], Json<Instance>);

fn asked((place, instance): (String, Instance)) -> Asked {
    (StatusCode::ACCEPTED, [(LOCATION, place)], Json(instance))
}

/// Create an instance
///
/// Answers at once with the status `pending`; the instance then finds a host by itself, is built and runs. Its addresses are known from the start.
#[utoipa::path(post, path = "/v1/projects/{project_id}/instances", operation_id = "instance_create", tag = "Instances",
    request_body = InstanceCreate, responses((status = 201, description = "Made", body = Instance)))]
async fn create(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceCreate>,
    CheckedJson(body): CheckedJson<InstanceCreate>,
) -> Result<(StatusCode, Json<Instance>)> {
    Ok((StatusCode::CREATED, Json(service::create(&app, &tenant, body).await?)))
}

/// List instances
///
/// Oldest first, in pages, unless `sort` says otherwise. With `deleted=true` those that are gone, as they were last.
#[utoipa::path(get, path = "/v1/projects/{project_id}/instances", operation_id = "instance_list", tag = "Instances",
    params(ListOf<Row>),
    responses((status = 200, description = "A page", body = List<Instance>)))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceRead>,
    list: ListOf<Row>,
) -> Result<Json<List<Instance>>> {
    Ok(Json(service::list(&app, &tenant, &list.0).await?))
}

/// Show an instance
///
/// One that is gone is shown as it was last, where `deleted=true` asks for it.
#[utoipa::path(get, path = "/v1/projects/{project_id}/instances/{instance_id}", operation_id = "instance_get", tag = "Instances",
    params(AlsoDeleted),
    responses((status = 200, description = "The instance", body = Instance)))]
async fn get(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceRead>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
    ApiQuery(of): ApiQuery<AlsoDeleted>,
) -> Result<Json<Instance>> {
    Ok(Json(service::get(&app, &tenant, path.1, of.deleted.unwrap_or_default()).await?))
}

/// Change an instance
///
/// A merge patch (RFC 7396): what is absent stays, null takes away what may be absent. `on_guest_shutdown` holds from the
/// guest's next shutdown on.
#[utoipa::path(patch, path = "/v1/projects/{project_id}/instances/{instance_id}", operation_id = "instance_update", tag = "Instances",
    params(IfMatch),
    request_body = InstanceSettings, responses((status = 200, description = "The instance", body = Instance)))]
async fn update(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceUpdate>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
    patch: Patch,
) -> Result<Json<Instance>> {
    Ok(Json(service::update(&app, &tenant, path.1, &patch).await?))
}

/// Delete an instance
///
/// Answers at once; the event `deleted` says when it is gone: its disk is destroyed then, its addresses are free, and it is shown only
/// where `deleted=true` asks for it. Asking again is no error. Where its host is silent it waits for the host, and
/// `status_reason` says so.
#[utoipa::path(delete, path = "/v1/projects/{project_id}/instances/{instance_id}", operation_id = "instance_delete", tag = "Instances",
    params(IfMatch),
    responses((status = 202, description = "Being deleted"), (status = 204, description = "Gone already")))]
async fn delete(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceDelete>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
) -> Result<Response> {
    Ok(match service::delete(&app, &tenant, path.1).await? {
        Some(place) => (StatusCode::ACCEPTED, [(LOCATION, place)]).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Start an instance
///
/// Wants it running. Starting one that runs changes nothing; one that failed to start is tried again.
#[utoipa::path(post, path = "/v1/projects/{project_id}/instances/{instance_id}/start", operation_id = "instance_start", tag = "Instances",
    params(IfMatch),
    responses((status = 202, description = "Asked for", body = Instance)))]
async fn start(
    State(app): State<App>,
    tenant: Tenant<perm::InstancePower>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
) -> Result<Asked> {
    Ok(asked(service::set_power(&app, &tenant, path.1, Power::Running).await?))
}

/// Stop an instance
///
/// The guest is asked to shut down, and after a bounded time switched off.
#[utoipa::path(post, path = "/v1/projects/{project_id}/instances/{instance_id}/stop", operation_id = "instance_stop", tag = "Instances",
    params(IfMatch),
    responses((status = 202, description = "Asked for", body = Instance)))]
async fn stop(
    State(app): State<App>,
    tenant: Tenant<perm::InstancePower>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
) -> Result<Asked> {
    Ok(asked(service::set_power(&app, &tenant, path.1, Power::Stopped).await?))
}

/// Reboot an instance
///
/// The guest is asked to restart, and after a bounded time switched off and on.
#[utoipa::path(post, path = "/v1/projects/{project_id}/instances/{instance_id}/reboot", operation_id = "instance_reboot", tag = "Instances",
    params(IfMatch),
    responses((status = 202, description = "Asked for", body = Instance)))]
async fn reboot(
    State(app): State<App>,
    tenant: Tenant<perm::InstancePower>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
) -> Result<Asked> {
    Ok(asked(service::reboot(&app, &tenant, path.1).await?))
}

/// Show an instance's console log
///
/// The last 64 KiB of its serial console, fetched from its host; what was last fetched if the host does
/// not answer within some seconds.
#[utoipa::path(get, path = "/v1/projects/{project_id}/instances/{instance_id}/console-log", operation_id = "instance_console_log", tag = "Instances",
    responses((status = 200, description = "The log", body = ConsoleOutput)))]
async fn console(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceConsole>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
) -> Result<Json<ConsoleOutput>> {
    Ok(Json(service::console(&app, &tenant, path.1).await?))
}

/// Show an instance's user data
///
/// As it was sent when the instance was made. It may hold secrets: neither operators nor auditors see it.
#[utoipa::path(get, path = "/v1/projects/{project_id}/instances/{instance_id}/user-data", operation_id = "instance_user_data", tag = "Instances",
    responses((status = 200, description = "The user data", body = UserData)))]
async fn user_data(
    State(app): State<App>,
    tenant: Tenant<perm::InstanceUserData>,
    ApiPath(path): ApiPath<(ProjectId, InstanceId)>,
) -> Result<Json<UserData>> {
    Ok(Json(service::user_data(&app, &tenant, path.1).await?))
}
