//! Statistics: what hosts counted of ports and of rules of security groups.
//!
//! A host may tell only of ports that are bound to it, and of rules of groups that one of those is in;
//! all else that it tells is passed over. Migration 0340 says how counts are added up.

use crate::conn::Conn;
use crate::error::Result;
use iroko_agent_wire::{PortCounts, RuleCounts, StatisticsReport};
use iroko_model::{HostId, PortId, ProjectId, SecurityGroupId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Takes what a host counted. Needs a transaction. False where the report is not of its net-agent's
/// current session, or not newer than the last: nothing was stored then.
pub async fn statistics_accept(conn: &mut Conn, host_id: HostId, report: &StatisticsReport) -> Result<bool> {
    // Locks the host's row: what one host tells is taken one after the other.
    let taken = sqlx::query!(
        "INSERT INTO host_statistics AS s (host_id, incarnation, sequence, counted_at)
         SELECT a.host_id, a.incarnation, $3, now() FROM host_agent a
         WHERE a.host_id = $1 AND a.kind = 'net' AND a.incarnation = $2
         ON CONFLICT (host_id) DO UPDATE SET incarnation = excluded.incarnation, sequence = excluded.sequence, counted_at = now()
         WHERE (s.incarnation, s.sequence) < (excluded.incarnation, excluded.sequence)",
        host_id.as_uuid(),
        report.incarnation,
        report.sequence
    )
    .execute(&mut *conn)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(false);
    }
    ports_accept(conn, host_id, &report.ports).await?;
    rules_accept(conn, host_id, &report.rules).await?;
    Ok(true)
}

/// A count as the database holds it.
fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

async fn ports_accept(conn: &mut Conn, host_id: HostId, told: &[PortCounts]) -> Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = told.iter().map(|port| port.id.as_uuid()).collect();
    let epochs: Vec<i64> = told.iter().map(|port| port.epoch).collect();
    let column = |of: fn(&PortCounts) -> u64| told.iter().map(|port| count(of(port))).collect::<Vec<i64>>();
    sqlx::query!(
        "INSERT INTO port_statistics AS s (project_id, port_id, host_id, epoch, since, counted_at)
         SELECT DISTINCT ON (b.port_id) b.project_id, b.port_id, b.host_id, t.epoch,
                ARRAY[t.rx_packets, t.rx_bytes, t.tx_packets, t.tx_bytes, t.rx_dropped_groups, t.rx_dropped_limits,
                      t.tx_dropped_security, t.tx_dropped_groups, t.tx_dropped_limits, t.records_lost,
                      t.rx_dropped_flows, t.tx_dropped_flows], now()
         FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                     $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
                     $15::bigint[])
             AS t (id, epoch, rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped_groups, rx_dropped_limits,
                   tx_dropped_security, tx_dropped_groups, tx_dropped_limits, records_lost, rx_dropped_flows,
                   tx_dropped_flows)
         JOIN port_host b ON b.port_id = t.id AND b.host_id = $1
         ORDER BY b.port_id
         ON CONFLICT (port_id, host_id) DO UPDATE SET counted_at = now(), epoch = excluded.epoch,
             before = CASE WHEN s.epoch = excluded.epoch THEN s.before ELSE counts_sum(s.before, s.since) END,
             since = CASE WHEN s.epoch = excluded.epoch THEN counts_most(s.since, excluded.since) ELSE excluded.since END",
        host_id.as_uuid(),
        &ids,
        &epochs,
        &column(|port| port.rx_packets),
        &column(|port| port.rx_bytes),
        &column(|port| port.tx_packets),
        &column(|port| port.tx_bytes),
        &column(|port| port.rx_dropped_groups),
        &column(|port| port.rx_dropped_limits),
        &column(|port| port.tx_dropped_security),
        &column(|port| port.tx_dropped_groups),
        &column(|port| port.tx_dropped_limits),
        &column(|port| port.records_lost),
        &column(|port| port.rx_dropped_flows),
        &column(|port| port.tx_dropped_flows)
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn rules_accept(conn: &mut Conn, host_id: HostId, told: &[RuleCounts]) -> Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = told.iter().map(|rule| rule.id.as_uuid()).collect();
    let epochs: Vec<i64> = told.iter().map(|rule| rule.epoch).collect();
    let packets: Vec<i64> = told.iter().map(|rule| count(rule.packets)).collect();
    let bytes: Vec<i64> = told.iter().map(|rule| count(rule.bytes)).collect();
    sqlx::query!(
        "INSERT INTO security_group_rule_statistics AS s (project_id, rule_id, host_id, epoch, since, counted_at)
         SELECT DISTINCT ON (r.id) r.project_id, r.id, $1, t.epoch, ARRAY[t.packets, t.bytes], now()
         FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) AS t (id, epoch, packets, bytes)
         JOIN security_group_rule r ON r.id = t.id
         WHERE r.security_group_id IN (
             SELECT m.security_group_id FROM port_host b JOIN port_security_group m ON m.port_id = b.port_id WHERE b.host_id = $1)
         ORDER BY r.id
         ON CONFLICT (rule_id, host_id) DO UPDATE SET counted_at = now(), epoch = excluded.epoch,
             before = CASE WHEN s.epoch = excluded.epoch THEN s.before ELSE counts_sum(s.before, s.since) END,
             since = CASE WHEN s.epoch = excluded.epoch THEN counts_most(s.since, excluded.since) ELSE excluded.since END",
        host_id.as_uuid(),
        &ids,
        &epochs,
        &packets,
        &bytes
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a port has carried since it was made, on all hosts.
#[derive(Debug, Clone)]
pub struct PortStatistics {
    /// The counts, in the order of migration 0340, then records lost, and dropped for want of room for a flow, received
    /// and sent; what was never counted is missing at the end.
    pub counts: Vec<i64>,
    /// When its host last told; where it has none, when the last one did.
    pub measured_at: Option<OffsetDateTime>,
}

/// The statistics of a port of the project; none where there is no such port.
pub async fn port_statistics(conn: &mut Conn, project_id: ProjectId, id: PortId) -> Result<Option<PortStatistics>> {
    Ok(sqlx::query_as!(
        PortStatistics,
        r#"SELECT coalesce(counts_total(counts_sum(s.before, s.since)), '{}') AS "counts!",
                  coalesce(max(h.counted_at), max(s.counted_at)) AS measured_at
           FROM port p LEFT JOIN port_statistics s ON s.port_id = p.id
           LEFT JOIN port_host b ON b.port_id = p.id AND b.role = 'home' LEFT JOIN host_statistics h ON h.host_id = b.host_id
           WHERE p.project_id = $1 AND p.id = $2 GROUP BY p.id"#,
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// What a rule has let through since it was made, on all hosts.
#[derive(Debug, Clone)]
pub struct RuleStatistics {
    /// The rule.
    pub rule_id: Uuid,
    /// Packets and octets, as of [`PortStatistics`].
    pub counts: Vec<i64>,
    /// All hosts that count it have told since then.
    pub measured_at: Option<OffsetDateTime>,
}

/// The statistics of all rules of a group of the project, oldest rule first; none where there is no such group.
pub async fn security_group_statistics(
    conn: &mut Conn,
    project_id: ProjectId,
    id: SecurityGroupId,
) -> Result<Option<Vec<RuleStatistics>>> {
    let group = sqlx::query!(
        "SELECT id FROM security_group WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    );
    if group.fetch_optional(&mut *conn).await?.is_none() {
        return Ok(None);
    }
    let rows = sqlx::query_as!(
        RuleStatistics,
        r#"SELECT r.id AS rule_id, coalesce(counts_total(counts_sum(s.before, s.since)), '{}') AS "counts!",
                  coalesce(min(h.counted_at), max(s.counted_at)) AS measured_at
           FROM security_group_rule r LEFT JOIN security_group_rule_statistics s ON s.rule_id = r.id
           LEFT JOIN host_statistics h ON h.host_id = s.host_id
           WHERE r.project_id = $1 AND r.security_group_id = $2 GROUP BY r.id ORDER BY r.id"#,
        project_id.as_uuid(),
        id.as_uuid()
    );
    Ok(Some(rows.fetch_all(conn).await?))
}
