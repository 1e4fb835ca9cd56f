//! Actions: what was asked of a thing, by whom, how far it is, and what became of it.
//!
//! A verb writes its action in its own transaction ([`action_insert`]). What hosts report settles it: operations by their
//! number ([`operations_accept`]), all else by what was seen ([`actions_settle`]), which may be called at any time and any
//! number of times. The place that makes a thing gone or gives it up calls it too.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::number::stored;
use crate::page::{Page, PageQuery};
use crate::request;
use iroko_agent_wire::{OperationFault, OperationObservation, OperationPhase, Outcome as Ended};
use iroko_model::action::{ActionKind, Outcome};
use iroko_model::{InstanceId, ProjectId};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// The noun of instances in this table.
const INSTANCE: &str = "instance";

/// An action.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its id.
    pub id: Uuid,
    /// The generation of the thing with it.
    pub number: i64,
    /// What was asked for.
    pub kind: ActionKind,
    /// With what.
    pub arguments: Value,
    /// Who asked: `kind`, `id`, `name`.
    pub actor: Option<Value>,
    /// The request it was asked in.
    pub request_id: Option<String>,
    /// Where it stands.
    pub phase: Option<String>,
    /// How much of the phase is done, in per cent.
    pub progress: Option<i16>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Why it failed, for machines.
    pub code: Option<String>,
    /// Why it failed, for people.
    pub message: Option<String>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When a host was first seen at it.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub finished_at: Option<OffsetDateTime>,
}

/// Writes what was just asked of an instance, in the transaction that changed it. Actions that it contradicts are
/// superseded; where there is nothing to be done it is done at once, as is the deletion of an instance that has no host.
pub async fn action_insert(
    conn: &mut Conn,
    project_id: ProjectId,
    instance: InstanceId,
    kind: ActionKind,
) -> Result<Uuid> {
    let request = request::current();
    let who = request.as_ref().and_then(|request| request.who());
    let actor = who.map(|who| json!({"kind": who.kind, "id": who.id, "name": who.name}));
    let superseded: Vec<String> = kind.supersedes().iter().map(|kind| kind.as_str().to_owned()).collect();
    let id = Uuid::now_v7();
    sqlx::query!(
        "WITH superseded AS (
             UPDATE action SET outcome = 'superseded', finished_at = now()
             WHERE noun = $3 AND object_id = $4 AND outcome IS NULL AND kind = ANY ($8)
         )
         INSERT INTO action (id, project_id, noun, object_id, number, kind, actor, request_id)
         SELECT $1, $2, $3, id, generation, $5, $6, $7
         FROM (SELECT id, generation FROM instance WHERE id = $4
               UNION ALL SELECT id, generation FROM instance_history WHERE id = $4) AS asked LIMIT 1",
        id,
        project_id.as_uuid(),
        INSTANCE,
        instance.as_uuid(),
        kind.as_str(),
        actor,
        request.map(|request| request.id.clone()),
        &superseded
    )
    .execute(&mut *conn)
    .await?;
    actions_settle(conn, &[instance.as_uuid()]).await?;
    Ok(id)
}

/// Takes over how far hosts are with operations.
pub(crate) async fn operations_accept(conn: &mut Conn, seen: &[(Uuid, OperationObservation)]) -> Result<()> {
    let ids: Vec<Uuid> = seen.iter().map(|(id, _)| *id).collect();
    let numbers: Vec<i64> = seen.iter().map(|(_, o)| stored(o.number)).collect();
    let phases: Vec<Option<String>> = seen.iter().map(|(_, o)| o.phase.map(phase)).collect();
    let progress: Vec<Option<i16>> = seen.iter().map(|(_, o)| o.progress.map(|of| i16::from(of.min(100)))).collect();
    let ended: Vec<bool> = seen.iter().map(|(_, o)| o.outcome.is_some()).collect();
    let codes: Vec<Option<String>> = seen.iter().map(|(_, o)| o.outcome.and_then(code)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE action a SET phase = CASE WHEN o.ended THEN NULL ELSE o.phase END, progress = o.progress,
             started_at = coalesce(a.started_at, now()), code = o.code,
             outcome = CASE WHEN o.ended AND o.code IS NULL THEN 'done' WHEN o.ended THEN 'failed' END,
             finished_at = CASE WHEN o.ended THEN now() END
         FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::boolean[], $6::text[])
             AS o (id, number, phase, progress, ended, code)
         WHERE a.noun = $7 AND a.object_id = o.id AND a.number = o.number AND a.kind = 'reboot' AND a.outcome IS NULL
           AND (o.ended OR a.started_at IS NULL OR (a.phase, a.progress) IS DISTINCT FROM (o.phase, o.progress))",
        &ids,
        &numbers,
        &phases as &[Option<String>],
        &progress as &[Option<i16>],
        &ended,
        &codes as &[Option<String>],
        INSTANCE
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn phase(phase: OperationPhase) -> String {
    match phase {
        OperationPhase::Stopping => "stopping",
        OperationPhase::Starting => "starting",
        OperationPhase::Other => "other",
    }
    .to_owned()
}

fn code(ended: Ended) -> Option<String> {
    match ended {
        Ended::Done => None,
        Ended::Failed(OperationFault::Unsupported) => Some("unsupported".to_owned()),
        Ended::Failed(OperationFault::Other) => Some("other".to_owned()),
    }
}

/// Settles the open actions of instances by what is known of these now.
pub(crate) async fn actions_settle(conn: &mut Conn, instances: &[Uuid]) -> Result<()> {
    if instances.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "WITH now_known AS (
             SELECT a.id, w.state, w.generation >= a.number AS is_at_it, i.fault,
                    CASE WHEN i.id IS NULL THEN CASE a.kind WHEN 'delete' THEN 'done' ELSE 'superseded' END
                         WHEN a.kind IN ('create', 'start') AND i.fault IS NOT NULL THEN 'failed'
                         WHEN a.kind = 'create' AND w.state IN ('running', 'stopped') THEN 'done'
                         WHEN a.kind = 'start' AND w.state = 'running' AND w.generation >= a.number THEN 'done'
                         WHEN a.kind = 'stop' AND w.state = 'stopped' AND w.generation >= a.number THEN 'done'
                         WHEN a.kind = 'stop' AND w.instance_id IS NULL THEN 'done'
                         WHEN a.kind = 'reboot' AND i.lost_at IS NOT NULL THEN 'failed'
                         WHEN a.kind = 'reboot' AND w.reboots >= a.number THEN 'done' END AS outcome
             FROM action a LEFT JOIN instance i ON i.id = a.object_id
             LEFT JOIN instance_host w ON w.instance_id = i.id AND w.role = 'home'
             WHERE a.noun = $2 AND a.object_id = ANY ($1) AND a.outcome IS NULL
         )
         UPDATE action a SET outcome = k.outcome, finished_at = CASE WHEN k.outcome IS NOT NULL THEN now() END,
             code = CASE WHEN k.outcome = 'failed' THEN coalesce(k.fault ->> 'code', 'host_failed') END, message = CASE WHEN k.outcome = 'failed' THEN k.fault ->> 'text' END,
             phase = CASE WHEN k.outcome IS NOT NULL THEN NULL WHEN a.kind = 'reboot' THEN a.phase ELSE k.state END,
             started_at = CASE WHEN k.outcome IS NOT NULL OR k.is_at_it THEN coalesce(a.started_at, now()) END
         FROM now_known k WHERE k.id = a.id AND (k.outcome IS NOT NULL OR k.is_at_it AND (
             a.started_at IS NULL OR a.kind <> 'reboot' AND a.phase IS DISTINCT FROM k.state))",
        instances,
        INSTANCE
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of the actions of an instance, oldest first.
pub async fn action_list(
    conn: &mut Conn,
    project_id: ProjectId,
    instance: InstanceId,
    page: PageQuery,
) -> Result<Page<Action>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, number, kind, arguments, actor, request_id, phase, progress, outcome, code, message, created_at,
                started_at, finished_at
         FROM action WHERE project_id = $1 AND noun = $2 AND object_id = $3 AND ($4::uuid IS NULL OR id > $4)
         ORDER BY id LIMIT $5 + 1",
        project_id.as_uuid(),
        INSTANCE,
        instance.as_uuid(),
        page.after,
        page.limit
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(Action::try_from).collect::<Result<_>>()?;
    Ok(Page::cut(rows, page, |action: &Action| action.id))
}

/// One action of an instance.
pub async fn action_get(
    conn: &mut Conn,
    project_id: ProjectId,
    instance: InstanceId,
    id: Uuid,
) -> Result<Option<Action>> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, number, kind, arguments, actor, request_id, phase, progress, outcome, code, message, created_at,
                started_at, finished_at
         FROM action WHERE project_id = $1 AND noun = $2 AND object_id = $3 AND id = $4",
        project_id.as_uuid(),
        INSTANCE,
        instance.as_uuid(),
        id
    )
    .fetch_optional(conn)
    .await?;
    row.map(Action::try_from).transpose()
}

struct Row {
    id: Uuid,
    number: i64,
    kind: String,
    arguments: Value,
    actor: Option<Value>,
    request_id: Option<String>,
    phase: Option<String>,
    progress: Option<i16>,
    outcome: Option<String>,
    code: Option<String>,
    message: Option<String>,
    created_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Action {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            number: row.number,
            kind: row.kind.parse().map_err(Error::corrupt("kind"))?,
            arguments: row.arguments,
            actor: row.actor,
            request_id: row.request_id,
            phase: row.phase,
            progress: row.progress,
            outcome: row.outcome.map(|word| word.parse()).transpose().map_err(Error::corrupt("outcome"))?,
            code: row.code,
            message: row.message,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}
