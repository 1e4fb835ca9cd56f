//! Accepting what agents saw: only from the session that is current, only of what is on that host,
//! only if newer than what is stored.
//!
//! Reports of many agents are taken in one transaction and a fixed number of statements, however
//! many observations they hold.

pub(crate) mod sent;

pub use sent::Sent;

use crate::error::Result;
use crate::instance::instance_finish_delete;
use crate::number::stored;
use crate::orphan::orphans_accept;
use crate::tx::Conn;
use crate::wake::Wake;
use crate::{guest, host};
use iroko_agent_wire::AgentKind;
use iroko_model::instance::ObservedState;
use std::collections::HashSet;
use uuid::Uuid;

/// Takes reports, at most one of each agent. Needs a transaction. Says of each whether it was of
/// the agent's current session and newer than the last; of the others nothing was stored. And whom
/// the commit concerns.
pub async fn reports_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<(Vec<bool>, Wake)> {
    let current = sessions_accept(&mut *conn, sent).await?;
    let is_current = |(host, report): &&Sent<'_>| current.contains(&(host.as_uuid(), report.agent));
    let taken: Vec<Sent<'_>> = sent.iter().filter(is_current).copied().collect();
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
    let reasons: Vec<Option<String>> = seen.iter().map(|(_, _, o)| without_nul(o.reason.as_deref())).collect();
    let rows = sqlx::query!(
        r#"WITH seen AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])
                   AS s (id, host_id, incarnation, sequence, generation, state, reboots, reason)
           ), locked AS (
               SELECT i.id FROM instance i JOIN seen ON seen.id = i.id AND seen.host_id = i.host_id ORDER BY i.id FOR NO KEY UPDATE OF i
           )
           UPDATE instance i SET observed_state = o.state, observed_generation = o.generation, observed_reboots = o.reboots,
               observed_reason = o.reason, observed_incarnation = o.incarnation, observed_sequence = o.sequence, observed_at = now(),
               ran_at = CASE WHEN o.state = 'running' THEN coalesce(i.ran_at, now()) ELSE i.ran_at END
           FROM seen o JOIN locked ON locked.id = o.id
           WHERE i.id = o.id AND i.host_id = o.host_id AND (i.observed_incarnation, i.observed_sequence) < (o.incarnation, o.sequence)
           RETURNING i.id, (i.power = 'deleted' AND o.state = 'absent') AS "finished!""#,
        &ids,
        &hosts,
        &incarnations,
        &sequences,
        &generations,
        &states,
        &reboots,
        &reasons as &[Option<String>]
    )
    .fetch_all(&mut *conn)
    .await?;
    let finished: Vec<Uuid> = rows.iter().filter(|row| row.finished).map(|row| row.id).collect();
    if finished.is_empty() {
        return Ok(if failed { Wake::Scheduler } else { Wake::Nobody });
    }
    instance_finish_delete(conn, &finished).await?;
    Ok(Wake::All)
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
    let reasons: Vec<Option<String>> = seen.iter().map(|(_, _, o)| without_nul(o.reason.as_deref())).collect();
    sqlx::query!(
        "WITH seen AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
                 AS s (id, host_id, incarnation, sequence, generation, state, reason)
         ), locked AS (
             SELECT p.id FROM port p JOIN instance i ON i.id = p.instance_id JOIN seen ON seen.id = p.id AND seen.host_id = i.host_id
             ORDER BY p.id FOR NO KEY UPDATE OF p
         )
         UPDATE port p SET observed_state = o.state, observed_generation = o.generation, observed_reason = o.reason,
             observed_incarnation = o.incarnation, observed_sequence = o.sequence
         FROM seen o JOIN locked ON locked.id = o.id
         WHERE p.id = o.id AND (p.observed_incarnation, p.observed_sequence) < (o.incarnation, o.sequence)",
        &ids,
        &hosts,
        &incarnations,
        &sequences,
        &generations,
        &states,
        &reasons as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// PostgreSQL's text cannot hold NUL.
fn without_nul(text: Option<&str>) -> Option<String> {
    text.map(|text| text.replace('\0', ""))
}
