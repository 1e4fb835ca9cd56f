//! Accepting what agents saw: only from the session that is current, only of what is on that host,
//! only if newer than what is stored.

use crate::error::Result;
use crate::instance::instance_finish_delete;
use crate::tx::Conn;
use iroko_agent_link::wire::Report;
use iroko_model::HostId;
use uuid::Uuid;

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// Taken; so many observations were newer than what was stored.
    Accepted(u64),
    /// The report is of an older session or repeats a sequence number; nothing was stored.
    Stale,
}

/// Takes a report. Needs a transaction. The sender is already known to be that host's agent.
pub async fn report_accept(conn: &mut Conn, host_id: HostId, report: &Report) -> Result<Reception> {
    let current = sqlx::query!(
        "UPDATE host_agent SET seen_at = now(), sequence = $4
         WHERE host_id = $1 AND kind = $2 AND incarnation = $3 AND sequence < $4",
        host_id.as_uuid(),
        report.agent.as_str(),
        report.incarnation,
        report.sequence
    )
    .execute(&mut *conn)
    .await?;
    if current.rows_affected() == 0 {
        return Ok(Reception::Stale);
    }
    let mut accepted = 0;
    if !report.instances.is_empty() {
        accepted += instances_accept(&mut *conn, host_id, report).await?;
    }
    if !report.ports.is_empty() {
        accepted += ports_accept(&mut *conn, host_id, report).await?;
    }
    if !report.consoles.is_empty() {
        crate::console::console_store(conn, host_id, &report.consoles).await?;
    }
    Ok(Reception::Accepted(accepted))
}

async fn instances_accept(conn: &mut Conn, host_id: HostId, report: &Report) -> Result<u64> {
    let seen = &report.instances;
    let ids: Vec<Uuid> = seen.iter().map(|o| o.id.as_uuid()).collect();
    let generations: Vec<i64> = seen.iter().map(|o| o.generation as i64).collect();
    let states: Vec<String> = seen.iter().map(|o| o.state.as_str().to_owned()).collect();
    let reboots: Vec<i64> = seen.iter().map(|o| o.reboots as i64).collect();
    let reasons: Vec<Option<String>> = seen.iter().map(|o| o.reason.as_ref().map(|r| r.replace('\0', ""))).collect();
    let rows = sqlx::query!(
        r#"WITH locked AS (SELECT id FROM instance WHERE id = ANY($1) AND host_id = $6 ORDER BY id FOR NO KEY UPDATE)
           UPDATE instance i SET observed_state = o.state, observed_generation = o.generation, observed_reboots = o.reboots,
               observed_reason = o.reason, observed_incarnation = $7, observed_sequence = $8, observed_at = now(),
               ran_at = CASE WHEN o.state = 'running' THEN coalesce(i.ran_at, now()) ELSE i.ran_at END
           FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[]) AS o (id, generation, state, reboots, reason), locked
           WHERE i.id = o.id AND i.id = locked.id AND (i.observed_incarnation, i.observed_sequence) < ($7, $8)
           RETURNING i.id, (i.power = 'deleted' AND o.state = 'absent') AS "finished!""#,
        &ids,
        &generations,
        &states,
        &reboots,
        &reasons as &[Option<String>],
        host_id.as_uuid(),
        report.incarnation,
        report.sequence
    )
    .fetch_all(&mut *conn)
    .await?;
    let finished: Vec<Uuid> = rows.iter().filter(|row| row.finished).map(|row| row.id).collect();
    if !finished.is_empty() {
        instance_finish_delete(conn, &finished).await?;
    }
    Ok(rows.len() as u64)
}

async fn ports_accept(conn: &mut Conn, host_id: HostId, report: &Report) -> Result<u64> {
    let seen = &report.ports;
    let ids: Vec<Uuid> = seen.iter().map(|o| o.id.as_uuid()).collect();
    let generations: Vec<i64> = seen.iter().map(|o| o.generation as i64).collect();
    let states: Vec<String> = seen.iter().map(|o| o.state.as_str().to_owned()).collect();
    let reasons: Vec<Option<String>> = seen.iter().map(|o| o.reason.as_ref().map(|r| r.replace('\0', ""))).collect();
    let done = sqlx::query!(
        "WITH locked AS (SELECT p.id FROM port p JOIN instance i ON i.id = p.instance_id
                         WHERE p.id = ANY($1) AND i.host_id = $5 ORDER BY p.id FOR NO KEY UPDATE OF p)
         UPDATE port p SET observed_state = o.state, observed_generation = o.generation, observed_reason = o.reason,
             observed_incarnation = $6, observed_sequence = $7
         FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS o (id, generation, state, reason), locked
         WHERE p.id = o.id AND p.id = locked.id AND (p.observed_incarnation, p.observed_sequence) < ($6, $7)",
        &ids,
        &generations,
        &states,
        &reasons as &[Option<String>],
        host_id.as_uuid(),
        report.incarnation,
        report.sequence
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
