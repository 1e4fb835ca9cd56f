//! What a transaction needs to know of the request it is part of: who asks and for what, so that
//! [`Store::commit`](crate::Store::commit) writes the audit record in the same transaction; which
//! idempotency key it settles; and which generation the caller has seen.
//!
//! It goes with the task, not through every function: a use case cannot forget it.

use crate::conn::Conn;
use crate::error::{Error, Result};
use iroko_model::{OrganizationId, ProjectId};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Arc<Request>;
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Who {
    /// The user or service account.
    pub id: Uuid,
    /// `user` or `service_account`.
    pub kind: &'static str,
    /// Log-in name or name.
    pub name: String,
    /// Organization of the user or service account.
    pub organization_id: Option<OrganizationId>,
    /// `session`, `api_key`, ...
    pub credential_kind: &'static str,
    /// Which one.
    pub credential_id: Option<Uuid>,
}

/// A request being answered.
#[derive(Debug)]
pub struct Request {
    /// Its id, as in `X-Request-Id`.
    pub id: String,
    /// Operation id, as in the OpenAPI document.
    pub operation: String,
    /// The caller's address, where known.
    pub source: Option<String>,
    /// Changes something, so that it is recorded.
    pub is_change: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    who: Option<Who>,
    organization: Option<OrganizationId>,
    project: Option<ProjectId>,
    claim: Option<Uuid>,
    generations: Option<Vec<i64>>,
    is_recorded: bool,
    is_system: bool,
}

impl State {
    /// For whose eyes the record is: those of the thing's organization, else of the actor's own; what
    /// concerns the system is the operator's.
    fn organization(&self) -> Option<Uuid> {
        let own = || self.who.as_ref().filter(|_| !self.is_system && self.project.is_none())?.organization_id;
        self.organization.or_else(own).map(|id| id.as_uuid())
    }
}

impl Request {
    /// A request of which no more is known yet.
    pub fn new(id: String, operation: String, source: Option<String>, is_change: bool) -> Self {
        Self { id, operation, source, is_change, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who asks.
    pub fn set_who(&self, who: Who) {
        self.state().who = Some(who);
    }

    /// Who asks, once known.
    pub fn who(&self) -> Option<Who> {
        self.state().who.clone()
    }

    /// Notes what the request is about: the record is then for that organization's eyes.
    pub fn set_scope(&self, organization: Option<OrganizationId>, project: Option<ProjectId>) {
        let mut state = self.state();
        state.organization = organization;
        state.project = project;
    }

    /// Notes that the request concerns the system and no tenant.
    pub fn set_system(&self, is_system: bool) {
        self.state().is_system = is_system;
    }

    /// Notes the idempotency key's claim that the commit settles.
    pub fn set_claim(&self, claim: Uuid) {
        self.state().claim = Some(claim);
    }

    /// Notes the generations that the caller has seen (`If-Match`): it is to be one of them.
    pub fn expect(&self, generations: Vec<i64>) {
        self.state().generations = Some(generations);
    }

    /// True once a commit has written its record.
    pub fn is_recorded(&self) -> bool {
        self.state().is_recorded
    }

    /// Everything of the record but what changed.
    fn body(&self, outcome: &str, status: Option<u16>) -> Value {
        let who = self.who();
        json!({
            "operation": self.operation,
            "outcome": outcome,
            "status": status,
            "request_id": self.id,
            "source": self.source,
            "actor": who.as_ref().map(|w| json!({"kind": w.kind, "id": w.id, "name": w.name, "organization_id": w.organization_id})),
            "credential": who.as_ref().map(|w| json!({"kind": w.credential_kind, "id": w.credential_id})),
        })
    }
}

/// Runs `work` as part of `request`.
pub async fn within<F: Future>(request: Arc<Request>, work: F) -> F::Output {
    CURRENT.scope(request, work).await
}

/// The request of the running task.
pub fn current() -> Option<Arc<Request>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// What is compared by hand; other nouns are, when their rows are locked ([`crate::noun::lock`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// An instance.
    Instance,
    /// A port.
    Port,
}

/// Compares the generation that the caller has seen, if they said one, with the row's, and keeps the row
/// as it is until the transaction ends. To be called before the change; a row that is not there is for the
/// change itself to miss. [`Error::Changed`] where somebody was faster.
pub async fn check_generation(conn: &mut Conn, noun: Noun, id: Uuid) -> Result<()> {
    let Some(request) = current() else { return Ok(()) };
    let Some(seen) = request.state().generations.take() else { return Ok(()) };
    let now = generation(conn, noun, id).await?;
    if now.is_none_or(|now| seen.contains(&now)) { Ok(()) } else { Err(Error::Changed) }
}

/// True where the caller has said which generation they have seen and nobody has compared it yet.
pub(crate) fn compares() -> bool {
    current().is_some_and(|request| request.state().generations.is_some())
}

/// Compares the generation that the caller has seen, if they said one, with that of a row that is locked.
pub(crate) fn compare(now: i64) -> Result<()> {
    let Some(request) = current() else { return Ok(()) };
    let Some(seen) = request.state().generations.take() else { return Ok(()) };
    if seen.contains(&now) { Ok(()) } else { Err(Error::Changed) }
}

async fn generation(conn: &mut Conn, noun: Noun, id: Uuid) -> Result<Option<i64>> {
    let query = match noun {
        Noun::Instance => "SELECT generation FROM instance WHERE id = $1 FOR UPDATE",
        Noun::Port => "SELECT generation FROM port WHERE id = $1 FOR UPDATE",
    };
    Ok(sqlx::query_scalar(query).bind(id).fetch_optional(conn).await?)
}

/// What the commit of a request's transaction does besides: writes the audit record and settles the
/// idempotency key. A request that only reads commits nothing.
pub(crate) async fn settle(conn: &mut Conn) -> Result<()> {
    let Some(request) = current() else { return Ok(()) };
    // Browsers let any page ask for a GET, with the cookies of its user.
    if !request.is_change {
        return Err(Error::OnlyReads);
    }
    let (organization, project, actor, claim) = {
        let state = request.state();
        if state.generations.is_some() {
            return Err(Error::NotComparable);
        }
        (state.organization(), state.project, state.who.as_ref().map(|who| who.id), state.claim)
    };
    sqlx::query!(
        r#"SELECT audit_append($1, $2, $3, $4, $5, $6, $7)"#,
        Uuid::now_v7(),
        organization,
        project.map(|id| id.as_uuid()),
        actor,
        request.operation,
        request.body("done", None),
        claim
    )
    .execute(conn)
    .await?;
    request.state().is_recorded = true;
    Ok(())
}

/// Records a request that changed nothing: `refused` or `failed`, with the status it was answered.
pub async fn record_outcome(conn: &mut Conn, request: &Request, outcome: &str, status: u16) -> Result<()> {
    let (organization, project, actor) = {
        let state = request.state();
        (state.organization(), state.project, state.who.as_ref().map(|who| who.id))
    };
    let mut body = request.body(outcome, Some(status));
    body["changes"] = json!([]);
    sqlx::query!(
        "INSERT INTO audit_record (id, organization_id, project_id, actor_id, operation, outcome, body)
         VALUES ($1, coalesce($2, (SELECT organization_id FROM project WHERE id = $3)), $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        organization,
        project.map(|id| id.as_uuid()),
        actor,
        request.operation,
        outcome,
        body
    )
    .execute(conn)
    .await?;
    Ok(())
}
