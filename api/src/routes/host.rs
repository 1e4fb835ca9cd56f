//! Hosts and enrolment tokens, for operators.

use crate::App;
use crate::service::host as service;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use iroko_identity::extract::{ApiJson, ApiPath, ListParams, ListQuery, Patch, System};
use iroko_identity::guarded;
use iroko_identity::resource::ListOf;
use iroko_model::permission::perm;
use iroko_model::{EnrolmentTokenId, HostId};
use iroko_store::host::Host as Row;
use iroko_web::openapi::IfMatch;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::host::{EnrolmentToken, EnrolmentTokenCreate, Host, HostDeclareDead, HostDeclaredDead, HostSettings};
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded!(list))
        .merge(guarded!(get, update, delete))
        .merge(guarded!(declare_dead))
        .merge(guarded!(token_list, token_create))
        .merge(guarded!(token_get, token_delete))
}

/// List hosts
///
/// For operators. Oldest first, in pages, unless `sort` says otherwise; each with what it has, what is given away, and the releases of its agents.
#[utoipa::path(get, path = "/v1/system/hosts", operation_id = "host_list", tag = "Hosts", params(ListOf<Row>),
    responses((status = 200, description = "A page", body = List<Host>)))]
async fn list(
    State(app): State<App>,
    _system: System<perm::HostRead>,
    listed: ListOf<Row>,
) -> Result<Json<List<Host>>> {
    Ok(Json(service::list(&app, &listed).await?))
}

/// Show a host
///
/// For operators.
#[utoipa::path(get, path = "/v1/system/hosts/{host_id}", operation_id = "host_get", tag = "Hosts",
    responses((status = 200, description = "The host", body = Host)))]
async fn get(
    State(app): State<App>,
    _system: System<perm::HostRead>,
    ApiPath(id): ApiPath<HostId>,
) -> Result<Json<Host>> {
    Ok(Json(service::get(&app, id).await?))
}

/// Change a host
///
/// For operators: whether it takes new instances, what it is for, its labels. A disabled host keeps its instances and takes no new ones. A merge patch (RFC 7396): what is absent stays.
#[utoipa::path(patch, path = "/v1/system/hosts/{host_id}", operation_id = "host_update", tag = "Hosts", params(IfMatch),
    request_body = HostSettings,
    responses((status = 200, description = "The host", body = Host)))]
async fn update(
    State(app): State<App>,
    _system: System<perm::HostUpdate>,
    ApiPath(id): ApiPath<HostId>,
    patch: Patch,
) -> Result<Json<Host>> {
    Ok(Json(service::update(&app, id, &patch).await?))
}

/// Delete a host
///
/// For operators. It must carry no instances that anybody wants; its agents are refused from then on. Instances that are being deleted on a disabled host that was not heard of for its lease are gone with it.
#[utoipa::path(delete, path = "/v1/system/hosts/{host_id}", operation_id = "host_delete", tag = "Hosts", params(IfMatch),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    _system: System<perm::HostDelete>,
    ApiPath(id): ApiPath<HostId>,
) -> Result<StatusCode> {
    service::delete(&app, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Declare a host dead
///
/// For operators, of a host that is lost for good and has no power; its name confirms which one. Its certificates are void: it never comes back by itself. Instances that ran on it are lost (`error`, with the reason) and can be deleted by their owners; those that had not run yet are placed on another host; those being deleted are gone.
#[utoipa::path(post, path = "/v1/system/hosts/{host_id}/declare-dead", operation_id = "host_declare_dead", tag = "Hosts",
    request_body = HostDeclareDead,
    responses((status = 200, description = "What came of it", body = HostDeclaredDead)))]
async fn declare_dead(
    State(app): State<App>,
    _system: System<perm::HostDeclareDead>,
    ApiPath(id): ApiPath<HostId>,
    ApiJson(body): ApiJson<HostDeclareDead>,
) -> Result<Json<HostDeclaredDead>> {
    Ok(Json(service::declare_dead(&app, id, body).await?))
}

/// Create an enrolment token
///
/// For operators. Shown once; each of a host's two agents uses it once to join.
#[utoipa::path(post, path = "/v1/system/enrolment-tokens", operation_id = "enrolment_token_create", tag = "Hosts",
    request_body = EnrolmentTokenCreate, responses((status = 201, description = "Made", body = EnrolmentToken)))]
async fn token_create(
    State(app): State<App>,
    _system: System<perm::EnrolmentTokenCreate>,
    ApiJson(body): ApiJson<EnrolmentTokenCreate>,
) -> Result<(StatusCode, Json<EnrolmentToken>)> {
    Ok((StatusCode::CREATED, Json(service::token_create(&app, body).await?)))
}

/// List enrolment tokens
///
/// For operators. Without the tokens themselves.
#[utoipa::path(get, path = "/v1/system/enrolment-tokens", operation_id = "enrolment_token_list", tag = "Hosts", params(ListParams),
    responses((status = 200, description = "A page", body = List<EnrolmentToken>)))]
async fn token_list(
    State(app): State<App>,
    _system: System<perm::EnrolmentTokenRead>,
    query: ListQuery,
) -> Result<Json<List<EnrolmentToken>>> {
    Ok(Json(service::token_list(&app, query).await?))
}

/// Show an enrolment token
///
/// For operators. Without the token itself; it says which agents have used it.
#[utoipa::path(get, path = "/v1/system/enrolment-tokens/{enrolment_token_id}", operation_id = "enrolment_token_get", tag = "Hosts",
    responses((status = 200, description = "The token", body = EnrolmentToken)))]
async fn token_get(
    State(app): State<App>,
    _system: System<perm::EnrolmentTokenRead>,
    ApiPath(id): ApiPath<EnrolmentTokenId>,
) -> Result<Json<EnrolmentToken>> {
    Ok(Json(service::token_get(&app, id).await?))
}

/// Revoke an enrolment token
///
/// For operators. Hosts that have joined with it stay.
#[utoipa::path(delete, path = "/v1/system/enrolment-tokens/{enrolment_token_id}", operation_id = "enrolment_token_delete", tag = "Hosts",
    responses((status = 204, description = "Revoked")))]
async fn token_delete(
    State(app): State<App>,
    _system: System<perm::EnrolmentTokenDelete>,
    ApiPath(id): ApiPath<EnrolmentTokenId>,
) -> Result<StatusCode> {
    service::token_delete(&app, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
