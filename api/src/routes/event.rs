//! Events of a project, an organization and the system.

use crate::App;
use crate::service::event::{self as service, Asked};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{KeepAlive, Sse};
use iroko_identity::extract::{System, Tenant, Within};
use iroko_identity::guarded;
use iroko_model::Permission;
use iroko_model::permission::perm;
use iroko_store::authority::Scope;
use iroko_web::problem::Result;
use iroko_wire::event::Event;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list)).merge(guarded!(of_organization)).merge(guarded!(of_system))
}

/// Follow a project
///
/// A stream of server-sent events, one for each thing that was made, changed or deleted; the event's name is `NOUN.VERB`. It begins with `begin`, whose id is where the stream stands; a client that lost its connection sends the last id it has seen as `Last-Event-ID` and misses nothing. `reset` says that too much was missed: read the lists again. The stream lasts as long as the caller may follow: within seconds after a log-out, the loss of the role or the end of the key comes `end`, and nothing more. A caller and a project may have a bounded number of streams open (429).
#[utoipa::path(get, path = "/v1/projects/{project_id}/events", operation_id = "event_list", tag = "Events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Id of the last event seen")),
    responses((status = 200, description = "Events as they happen", body = Event, content_type = "text/event-stream")))]
async fn list(
    State(app): State<App>,
    tenant: Tenant<perm::EventRead>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    let (actor, scope) = (&tenant.actor, Scope::Project(tenant.project));
    stream(&app, Asked { actor, scope, permission: Permission::EventRead, held: tenant.held }, &headers).await
}

/// Follow an organization
///
/// As the stream of a project: what happens to the organization, its users, groups, service accounts and their keys, roles, role bindings, identity providers and projects, as far as the caller may see each of them (`user.read`, `group.read`, ...). What happens in its projects and in organizations below it stands in their own streams. A caller and an organization may have a bounded number of streams open (429).
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/events", operation_id = "organization_event_list", tag = "Events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Id of the last event seen")),
    responses((status = 200, description = "Events as they happen", body = Event, content_type = "text/event-stream")))]
async fn of_organization(
    State(app): State<App>,
    within: Within<perm::EventRead>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    let (actor, scope) = (&within.actor, Scope::Organization(within.organization));
    stream(&app, Asked { actor, scope, permission: Permission::EventRead, held: within.held }, &headers).await
}

/// Follow the system
///
/// For operators. As the stream of a project: what happens to hosts, enrolment tokens, flavors, organizations and the role bindings on the system, as far as the caller may see each of them. A caller and the system may have a bounded number of streams open (429).
#[utoipa::path(get, path = "/v1/system/events", operation_id = "system_event_list", tag = "Events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Id of the last event seen")),
    responses((status = 200, description = "Events as they happen", body = Event, content_type = "text/event-stream")))]
async fn of_system(
    State(app): State<App>,
    system: System<perm::EventSystem>,
    headers: HeaderMap,
) -> Result<impl IntoResponse> {
    let (actor, scope) = (&system.actor, Scope::System);
    stream(&app, Asked { actor, scope, permission: Permission::EventSystem, held: system.held }, &headers).await
}

async fn stream(app: &App, asked: Asked<'_>, headers: &HeaderMap) -> Result<impl IntoResponse + use<>> {
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let events = service::follow(app, asked, last).await?;
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
