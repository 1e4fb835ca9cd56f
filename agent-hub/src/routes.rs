//! The agent link's routes. Who calls is known by the client certificate; a certificate that was
//! replaced, or whose host is gone, is refused at once.

use crate::caller::{Agent, is_itself};
use crate::checked;
use crate::intake::Reception;
use crate::state::AgentHub;
use crate::token::token_hash;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt;
use iroko_agent_wire::{
    AgentKind, DesiredQuery, DesiredReply, EnrolReply, EnrolRequest, RenewRequest, Report, ReportReply, SessionReply,
    SessionRequest,
};
use iroko_model::{HostId, ImageId};
use iroko_store::{host, image};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::host::host_name;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::SeekFrom;
use std::time::{Duration, Instant};
use tokio::io::AsyncSeekExt;
use tokio_util::io::ReaderStream;

/// Longest wait of a long poll.
const WAIT_MAX_S: u64 = 60;
/// Largest report. Agents keep theirs well below by construction.
const REPORT_MAX_BYTES: usize = 4 << 20;
/// Largest request to enrol, of anybody, to renew, or to begin a session.
const GREETING_MAX_BYTES: usize = 64 << 10;
/// Of a larger one this much is read past, within the time that a request has.
const READ_PAST_MAX_BYTES: usize = 16 << 20;
/// While image bytes flow or an agent waits, it is asked again this often whether its certificate holds.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The routes.
pub fn router(link: AgentHub) -> Router {
    Router::new()
        .route("/agent/v1/enrol", post(enrol))
        .route("/agent/v1/renew", post(renew).layer(DefaultBodyLimit::max(GREETING_MAX_BYTES)))
        .route("/agent/v1/session", post(session).layer(DefaultBodyLimit::max(GREETING_MAX_BYTES)))
        .route("/agent/v1/desired", get(desired))
        .route("/agent/v1/report", post(report))
        .route("/agent/v1/statistics", post(crate::statistics::take))
        .route("/agent/v1/connections", post(crate::connection_log::take))
        .route("/agent/v1/images/{id}", get(image_bytes))
        .layer(DefaultBodyLimit::max(REPORT_MAX_BYTES))
        .with_state(link)
}

/// Reads what anybody may send: a little is kept, what is more is read past for a while, so that an honest sender
/// reads the answer, and never kept.
async fn greeting<T: DeserializeOwned>(body: Body) -> Result<T> {
    let (mut kept, mut read) = (Vec::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::refuse(Rule::AgentBody, "the body broke off"))?;
        read += piece.len();
        if read > READ_PAST_MAX_BYTES {
            break;
        }
        if read <= GREETING_MAX_BYTES {
            kept.extend_from_slice(&piece);
        }
    }
    if read > GREETING_MAX_BYTES {
        return Err(Problem::new(Plain::TooLarge));
    }
    serde_json::from_slice(&kept).map_err(|_| Problem::refuse(Rule::AgentBody, "the body is not what this call takes"))
}

async fn enrol(State(link): State<AgentHub>, body: Body) -> Result<Json<EnrolReply>> {
    let request: EnrolRequest = greeting(body).await?;
    let name = host_name(request.host_name).map_err(|invalid| Problem::field("/host_name", invalid))?;
    let mut tx = link.store.begin().await?;
    // The certificate names the host, whose id is known only after the token is: so the serial
    // number is replaced by the real one before the transaction ends.
    let admitted = host::enrol(&mut tx, &token_hash(&request.token), request.agent, &name, "").await;
    let admitted = admitted.map_err(|error| match error {
        iroko_store::Error::Taken(_) => {
            Problem::refuse(Rule::NameTaken, "another host has this name; choose another, or bind the token to it")
        }
        error => error.into(),
    })?;
    let host_id = admitted.map_err(|refusal| Problem::refuse(Rule::AgentRefused, refusal.to_string()))?;
    let reply = issue(&link, host_id, request.agent, &request.csr_pem)?;
    host::agent_certificate_set(&mut tx, host_id, request.agent, &reply.1).await?;
    link.store.commit(tx).await?;
    tracing::info!(%host_id, name, agent = request.agent.as_str(), "an agent has enrolled");
    Ok(Json(reply.0))
}

fn issue(link: &AgentHub, host_id: HostId, kind: AgentKind, csr_pem: &str) -> Result<(EnrolReply, String)> {
    let issued =
        link.authority.sign(csr_pem, host_id, kind, link.config.certificate_days).map_err(|error| match error {
            crate::authority::AuthorityError::Request(_) => {
                Problem::refuse(Rule::AgentBody, "csr_pem is not a PKCS #10 signing request")
            }
            error => Problem::internal(&error),
        })?;
    let authority_pem = link.authority.certificate_pem().to_owned();
    Ok((EnrolReply { host_id, certificate_pem: issued.certificate_pem, authority_pem }, issued.serial))
}

async fn renew(
    State(link): State<AgentHub>,
    agent: Agent,
    Json(request): Json<RenewRequest>,
) -> Result<Json<EnrolReply>> {
    let (reply, serial) = issue(&link, agent.host, agent.kind, &request.csr_pem)?;
    let mut conn = link.store.connection().await?;
    host::agent_certificate_issued(&mut conn, agent.host, agent.kind, &serial).await?;
    Ok(Json(reply))
}

async fn session(
    State(link): State<AgentHub>,
    agent: Agent,
    Json(request): Json<SessionRequest>,
) -> Result<Json<SessionReply>> {
    is_itself(&agent, request.agent)?;
    let request = checked::session(agent.host, request, link.config.host_most)?;
    let mut tx = link.store.begin().await?;
    let incarnation = host::session_begin(&mut tx, agent.host, &request).await?;
    link.store.commit(tx).await?;
    let incarnation =
        incarnation.ok_or_else(|| Problem::refuse(Rule::AgentRefused, "the host is not there any more"))?;
    Ok(Json(SessionReply { host_id: agent.host, incarnation, lease_s: link.config.lease_s }))
}

async fn desired(
    State(link): State<AgentHub>,
    agent: Agent,
    Query(query): Query<DesiredQuery>,
) -> Result<Json<DesiredReply>> {
    is_itself(&agent, query.agent)?;
    let wait = Duration::from_secs(query.wait_s.min(WAIT_MAX_S));
    let began = Instant::now();
    let reply = link.hub.desired(agent.host, agent.kind, &query.after, wait).await?;
    if began.elapsed() > ASK_AGAIN {
        agent.holds(&link).await?;
    }
    Ok(Json(reply))
}

async fn report(State(link): State<AgentHub>, agent: Agent, Json(report): Json<Report>) -> Result<Json<ReportReply>> {
    is_itself(&agent, report.agent)?;
    match link.reports.take(agent.host, checked::report(agent.host, report)?).await {
        Reception::Accepted => Ok(Json(ReportReply {})),
        Reception::Stale => {
            Err(Problem::refuse(Rule::AgentSessionOld, "the session is not the current one; begin another"))
        }
        Reception::NotTaken => Err(Problem::refuse(Rule::AgentReport, "the report cannot be stored, now or later")),
        Reception::Unavailable => Err(Problem::new(Plain::Unavailable)),
    }
}

#[derive(Debug, Deserialize)]
struct Offset {
    #[serde(default)]
    offset: u64,
}

/// The bytes of an image, for as long as the agent's certificate holds.
struct Pieces {
    bytes: ReaderStream<tokio::fs::File>,
    link: AgentHub,
    agent: Agent,
    asked_at: Instant,
}

impl Pieces {
    async fn next(this: Option<Self>) -> Option<(std::io::Result<Bytes>, Option<Self>)> {
        let mut this = this?;
        if this.asked_at.elapsed() > ASK_AGAIN {
            this.asked_at = Instant::now();
            if this.agent.holds(&this.link).await.is_err() {
                return Some((Err(std::io::ErrorKind::PermissionDenied.into()), None));
            }
        }
        let piece = this.bytes.next().await?;
        Some((piece, Some(this)))
    }
}

async fn image_bytes(
    State(link): State<AgentHub>,
    agent: Agent,
    Path(id): Path<ImageId>,
    Query(from): Query<Offset>,
) -> Result<Response> {
    let mut conn = link.store.connection().await?;
    if agent.kind != AgentKind::Compute || !image::image_is_used_on(&mut conn, id, agent.host).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    drop(conn);
    let mut file = link.images.open(id).await.map_err(|e| Problem::internal(&e))?;
    file.seek(SeekFrom::Start(from.offset)).await.map_err(|e| Problem::internal(&e))?;
    let pieces = Pieces { bytes: ReaderStream::with_capacity(file, 256 * 1024), link, agent, asked_at: Instant::now() };
    Ok(Body::from_stream(futures::stream::unfold(Some(pieces), Pieces::next)).into_response())
}
