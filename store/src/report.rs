//! Accepting what agents saw: only from the session that is current, only of what has a row on that host,
//! only if newer than what is stored there.
//!
//! Reports of many agents are taken in one transaction and a fixed number of statements, however
//! many observations they hold.

pub(crate) mod sent;

pub use sent::Sent;

use crate::conn::Conn;
use crate::error::Result;
use crate::instance::instance_finish_delete;
use crate::number::stored;
use crate::orphan::orphans_accept;
use crate::wake::Wake;
use crate::{action, guest, host};
use iroko_agent_wire::{AgentKind, InstanceObservation};
use iroko_model::instance::ObservedState;
use iroko_model::reason::Reason;
use sqlx::types::Json;
use std::collections::HashSet;
use uuid::Uuid;

/// Takes reports, at most one of each agent. Needs a transaction. Says of each whether it was of
/// the agent's current session and newer than the last; of the others nothing was stored. And whom
/// the commit concerns.
pub async fn reports_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<(Vec<bool>, Wake)> {
    let current = sessions_accept(&mut *conn, sent).await?;
    let is_current = |(host, report): &&Sent<'_>| current.contains(&(host.as_uuid(), report.agent));
    let taken: Vec<Sent<'_>> = sent.iter().filter(is_current).copied().collect();
    instances_lock(&mut *conn, &taken).await?;
    let mut whom = instances_accept(&mut *conn, &taken).await?;
    if guest::shutdowns_accept(&mut *conn, &taken).await? {
        whom = Wake::All;
    }
    ports_accept(&mut *conn, &taken).await?;
    host::disks_accept(&mut *conn, &taken).await?;
    for (host, report) in taken.iter().filter(|(_, report)| !report.consoles.is_empty()) {
        crate::console::console_store(&mut *conn, *host, &report.consoles).await?;
    }
    for (host, report) in taken.iter().filter(|(_, report)| !report.orphans.is_empty()) {
        if orphans_accept(&mut *conn, *host, &report.orphans).await? {
            whom = Wake::All;
        }
    }
    Ok((sent.iter().map(|sent| is_current(&sent)).collect(), whom))
}

async fn sessions_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<HashSet<(Uuid, AgentKind)>> {
    let hosts: Vec<Uuid> = sent.iter().map(|(host, _)| host.as_uuid()).collect();
    let kinds: Vec<String> = sent.iter().map(|(_, report)| report.agent.as_str().to_owned()).collect();
    let incarnations: Vec<i64> = sent.iter().map(|(_, report)| report.incarnation).collect();
    let sequences: Vec<i64> = sent.iter().map(|(_, report)| report.sequence).collect();
    let rows = sqlx::query!(
        "WITH sent AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS s (host_id, kind, incarnation, sequence)),
         locked AS (SELECT host_id, kind FROM host_agent JOIN sent USING (host_id, kind) ORDER BY host_id, kind FOR NO KEY UPDATE OF host_agent)
         UPDATE host_agent a SET seen_at = now(), sequence = sent.sequence FROM sent JOIN locked USING (host_id, kind)
         WHERE a.host_id = sent.host_id AND a.kind = sent.kind AND a.incarnation = sent.incarnation AND a.sequence < sent.sequence
         RETURNING a.host_id, a.kind",
        &hosts,
        &kinds,
        &incarnations,
        &sequences
    )
    .fetch_all(conn)
    .await?;
    let kind = |word: &str| if word == AgentKind::Net.as_str() { AgentKind::Net } else { AgentKind::Compute };
    Ok(rows.into_iter().map(|row| (row.host_id, kind(&row.kind))).collect())
}

async fn instances_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<Wake> {
    let seen: Vec<_> =
        sent.iter().flat_map(|(host, r)| r.instances.iter().map(move |o| (host.as_uuid(), r, o))).collect();
    if seen.is_empty() {
        return Ok(Wake::Nobody);
    }
    let ids: Vec<Uuid> = seen.iter().map(|(_, _, o)| o.id.as_uuid()).collect();
    let hosts: Vec<Uuid> = seen.iter().map(|(host, _, _)| *host).collect();
    let incarnations: Vec<i64> = seen.iter().map(|(_, r, _)| r.incarnation).collect();
    let sequences: Vec<i64> = seen.iter().map(|(_, r, _)| r.sequence).collect();
    let generations: Vec<i64> = seen.iter().map(|(_, _, o)| stored(o.generation)).collect();
    let states: Vec<String> = seen.iter().map(|(_, _, o)| guest::state_of(o).as_str().to_owned()).collect();
    let failed = seen.iter().any(|(_, _, o)| o.state == ObservedState::Failed);
    let reboots: Vec<i64> = seen.iter().map(|(_, _, o)| stored(o.ended_operation())).collect();
    let reasons: Vec<Option<Json<Reason>>> = seen.iter().map(|(_, _, o)| without_nul(o.reason.as_ref())).collect();
    let rows = sqlx::query!(
        r#"WITH seen AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::jsonb[])
                   AS s (id, host_id, incarnation, sequence, generation, state, reboots, reason)
           ), locked AS (
               SELECT w.instance_id, w.host_id FROM instance_host w JOIN seen ON seen.id = w.instance_id AND seen.host_id = w.host_id
               ORDER BY w.instance_id, w.host_id FOR NO KEY UPDATE OF w
           )
           UPDATE instance_host w SET state = o.state, generation = o.generation, reboots = o.reboots, reason = o.reason,
               incarnation = o.incarnation, sequence = o.sequence, observed_at = now(),
               ran_at = CASE WHEN o.state = 'running' THEN coalesce(w.ran_at, now()) ELSE w.ran_at END
           FROM seen o JOIN locked ON locked.instance_id = o.id AND locked.host_id = o.host_id
           WHERE w.instance_id = o.id AND w.host_id = o.host_id AND (w.incarnation, w.sequence) < (o.incarnation, o.sequence)
           RETURNING w.instance_id, w.host_id, (o.state = 'absent') AS "absent!""#,
        &ids,
        &hosts,
        &incarnations,
        &sequences,
        &generations,
        &states,
        &reboots,
        &reasons as &[Option<Json<Reason>>]
    )
    .fetch_all(&mut *conn)
    .await?;
    let taken: HashSet<(Uuid, Uuid)> = rows.iter().map(|row| (row.instance_id, row.host_id)).collect();
    let operations: Vec<_> = seen
        .iter()
        .filter(|(host, _, o)| taken.contains(&(o.id.as_uuid(), *host)))
        .filter_map(|(_, _, o)| Some((o.id.as_uuid(), o.operation?)))
        .collect();
    action::operations_accept(&mut *conn, &operations).await?;
    let changed: Vec<Uuid> = rows.iter().map(|row| row.instance_id).collect();
    action::actions_settle(&mut *conn, &changed).await?;
    let absent: Vec<Uuid> = rows.iter().filter(|row| row.absent).map(|row| row.instance_id).collect();
    let finished = if absent.is_empty() { absent } else { finished(&mut *conn, &absent).await? };
    if finished.is_empty() {
        return Ok(if failed { Wake::Scheduler } else { Wake::Nobody });
    }
    instance_finish_delete(conn, &finished).await?;
    Ok(Wake::All)
}

/// Locks the instances that a report may end or stop, by a statement before all others: their rows come first in every
/// transaction, and those on hosts after them.
async fn instances_lock(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<()> {
    let is_about = |o: &&InstanceObservation| o.state == ObservedState::Absent || o.condition.is_some();
    let ids: Vec<Uuid> =
        sent.iter().flat_map(|(_, r)| r.instances.iter().filter(is_about)).map(|o| o.id.as_uuid()).collect();
    if !ids.is_empty() {
        sqlx::query!("SELECT id FROM instance WHERE id = ANY($1) ORDER BY id FOR UPDATE", &ids).fetch_all(conn).await?;
    }
    Ok(())
}

/// Of these instances, those that are wanted deleted and of which no host has anything any more.
async fn finished(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT i.id FROM instance i WHERE i.id = ANY($1) AND i.power = 'deleted'
         AND NOT EXISTS (SELECT FROM instance_host w WHERE w.instance_id = i.id AND w.state IS DISTINCT FROM 'absent')",
        ids
    )
    .fetch_all(conn)
    .await?)
}

async fn ports_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<()> {
    let seen: Vec<_> = sent.iter().flat_map(|(host, r)| r.ports.iter().map(move |o| (host.as_uuid(), r, o))).collect();
    if seen.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = seen.iter().map(|(_, _, o)| o.id.as_uuid()).collect();
    let hosts: Vec<Uuid> = seen.iter().map(|(host, _, _)| *host).collect();
    let incarnations: Vec<i64> = seen.iter().map(|(_, r, _)| r.incarnation).collect();
    let sequences: Vec<i64> = seen.iter().map(|(_, r, _)| r.sequence).collect();
    let generations: Vec<i64> = seen.iter().map(|(_, _, o)| stored(o.generation)).collect();
    let states: Vec<String> = seen.iter().map(|(_, _, o)| o.state.as_str().to_owned()).collect();
    let reasons: Vec<Option<Json<Reason>>> = seen.iter().map(|(_, _, o)| without_nul(o.reason.as_ref())).collect();
    sqlx::query!(
        "WITH seen AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::jsonb[])
                 AS s (id, host_id, incarnation, sequence, generation, state, reason)
         ), locked AS (
             SELECT b.port_id, b.host_id FROM port_host b JOIN seen ON seen.id = b.port_id AND seen.host_id = b.host_id
             ORDER BY b.port_id, b.host_id FOR NO KEY UPDATE OF b
         )
         UPDATE port_host b SET state = o.state, generation = o.generation, reason = o.reason,
             incarnation = o.incarnation, sequence = o.sequence
         FROM seen o JOIN locked ON locked.port_id = o.id AND locked.host_id = o.host_id
         WHERE b.port_id = o.id AND b.host_id = o.host_id AND (b.incarnation, b.sequence) < (o.incarnation, o.sequence)",
        &ids,
        &hosts,
        &incarnations,
        &sequences,
        &generations,
        &states,
        &reasons as &[Option<Json<Reason>>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// PostgreSQL's text cannot hold NUL.
fn without_nul(reason: Option<&Reason>) -> Option<Json<Reason>> {
    reason.map(|reason| Json(Reason::new(reason.code, reason.text.replace('\0', ""))))
}
