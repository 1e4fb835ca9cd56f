//! Events of a project.

use crate::App;
use crate::service::event as service;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{KeepAlive, Sse};
use iroko_identity::extract::Tenant;
use iroko_identity::guarded;
use iroko_model::permission::perm;
use iroko_web::problem::Result;
use iroko_wire::event::Event;
use utoipa_axum::router::OpenApiRouter;

/// The routes.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(guarded!(list))
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
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let events = service::follow(&app, &tenant.actor, tenant.project, last).await?;
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
