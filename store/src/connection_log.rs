//! Connection logs of ports, and the records that hosts told.
//!
//! A log records for a bounded time; its records are kept for as long as the log is there, but no more
//! than [`RECORDS_MAX`] of a port and none older than what [`connection_records_trim`] is told. A
//! host may tell of ports that are bound to it, and only what their logs ask for.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::page::{Page, PageQuery};
use ipnetwork::IpNetwork;
use iroko_agent_wire::ConnectionRecord as Told;
use iroko_model::connection_log::{Reason, Verdict};
use iroko_model::security_group::Direction;
use iroko_model::{HostId, PortId, ProjectId};
use mac_address::MacAddress as SqlMac;
use time::OffsetDateTime;
use uuid::Uuid;

/// Most records kept of a port; the oldest go.
pub const RECORDS_MAX: i64 = 10_000;

/// A port's log.
#[derive(Debug, Clone)]
pub struct ConnectionLog {
    /// The port.
    pub port_id: Uuid,
    /// What it records.
    pub verdicts: Vec<String>,
    /// Most records a second, of each verdict and direction.
    pub records_per_second: i32,
    /// Until when it records.
    pub expires_at: OffsetDateTime,
    /// It does so now.
    pub is_active: bool,
    /// What should have been recorded of the port and was not, ever since it was made.
    pub records_lost: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A log as its maker wants it.
#[derive(Debug)]
pub struct NewConnectionLog<'a> {
    /// What it records.
    pub verdicts: &'a [Verdict],
    /// Most records a second, of each verdict and direction.
    pub records_per_second: i32,
    /// How long from now on, in seconds.
    pub duration_s: i64,
}

/// Makes a port's log or changes the one there is, and tells the port's host. After
/// [`crate::port::port_lock`]. Records stay.
pub async fn connection_log_set(
    conn: &mut Conn,
    project_id: ProjectId,
    port_id: PortId,
    new: &NewConnectionLog<'_>,
) -> Result<()> {
    let verdicts: Vec<String> = new.verdicts.iter().map(|verdict| verdict.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO connection_log (port_id, project_id, verdicts, records_per_second, expires_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
         ON CONFLICT (port_id) DO UPDATE SET verdicts = excluded.verdicts, records_per_second = excluded.records_per_second,
             expires_at = excluded.expires_at, ended = false",
        port_id.as_uuid(),
        project_id.as_uuid(),
        &verdicts,
        new.records_per_second,
        new.duration_s as f64
    )
    .execute(&mut *conn)
    .await?;
    ports_changed(conn, &[port_id.as_uuid()]).await
}

/// Deletes a port's log with its records, and tells the port's host. After [`crate::port::port_lock`].
/// False where there was none.
pub async fn connection_log_delete(conn: &mut Conn, project_id: ProjectId, port_id: PortId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM connection_log WHERE project_id = $1 AND port_id = $2",
        project_id.as_uuid(),
        port_id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    ports_changed(conn, &[port_id.as_uuid()]).await?;
    Ok(true)
}

/// The hosts of these ports look at them again.
async fn ports_changed(conn: &mut Conn, ports: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "WITH p AS (UPDATE port SET generation = generation + 1 WHERE id = ANY ($1) RETURNING id)
         INSERT INTO change (kind, object_id, host_id, network_id)
         SELECT 'port', b.port_id, b.host_id, b.network_id FROM p JOIN port_host b ON b.port_id = p.id",
        ports
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A port's log, if it has one.
pub async fn connection_log_get(
    conn: &mut Conn,
    project_id: ProjectId,
    port_id: PortId,
) -> Result<Option<ConnectionLog>> {
    Ok(sqlx::query_as!(
        ConnectionLog,
        r#"SELECT l.port_id, l.verdicts, l.records_per_second, l.expires_at, l.created_at, (l.expires_at > now()) AS "is_active!",
                  coalesce((SELECT (counts_total(counts_sum(s.before, s.since)))[10] FROM port_statistics s WHERE s.port_id = l.port_id), 0)
                      AS "records_lost!"
           FROM connection_log l WHERE l.project_id = $1 AND l.port_id = $2"#,
        project_id.as_uuid(),
        port_id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A record.
#[derive(Debug, Clone)]
pub struct ConnectionRecord {
    /// Its id; later records have larger ones.
    pub id: Uuid,
    /// When, by the host's clock.
    pub occurred_at: OffsetDateTime,
    /// As seen from the instance.
    pub direction: String,
    /// What became of it.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// The rule that accepted it; it may be gone by now.
    pub rule_id: Option<Uuid>,
    /// Ethernet address of the sender.
    pub source_mac: Option<SqlMac>,
    /// Ethernet type.
    pub ethertype: i32,
    /// Number of the protocol.
    pub protocol: Option<i16>,
    /// Sender.
    pub source: Option<IpNetwork>,
    /// Receiver.
    pub destination: Option<IpNetwork>,
    /// Port.
    pub source_port: Option<i32>,
    /// Port.
    pub destination_port: Option<i32>,
    /// Of ICMP.
    pub icmp_type: Option<i16>,
    /// Of ICMP.
    pub icmp_code: Option<i16>,
}

/// A page of a log's records, oldest first. `verdict`: only those.
pub async fn connection_record_list(
    conn: &mut Conn,
    project_id: ProjectId,
    port_id: PortId,
    page: PageQuery,
    verdict: Option<Verdict>,
) -> Result<Page<ConnectionRecord>> {
    let rows = sqlx::query_as!(
        ConnectionRecord,
        "SELECT id, occurred_at, direction, verdict, reason, rule_id, source_mac, ethertype, protocol, source, destination,
                source_port, destination_port, icmp_type, icmp_code
         FROM connection_record
         WHERE project_id = $1 AND port_id = $2 AND ($3::uuid IS NULL OR id > $3) AND ($5::text IS NULL OR verdict = $5)
         ORDER BY id LIMIT $4 + 1",
        project_id.as_uuid(),
        port_id.as_uuid(),
        page.after,
        page.limit,
        verdict.map(Verdict::as_str)
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Keeps what a host recorded, as far as the logs of its ports ask for it; what is there already stays as it is.
/// Needs a transaction.
pub async fn connection_records_accept(conn: &mut Conn, host_id: HostId, told: &[Told]) -> Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = told.iter().map(|r| r.id).collect();
    let ports: Vec<Uuid> = told.iter().map(|r| r.port_id.as_uuid()).collect();
    let times: Vec<OffsetDateTime> = told.iter().map(|r| r.occurred_at).collect();
    let directions: Vec<String> = told.iter().map(|r| Direction::as_str(&r.direction).to_owned()).collect();
    let verdicts: Vec<String> = told.iter().map(|r| r.verdict.as_str().to_owned()).collect();
    let reasons: Vec<String> = told.iter().map(|r| Reason::as_str(r.reason).to_owned()).collect();
    let rules: Vec<Option<Uuid>> = told.iter().map(|r| r.rule_id.map(|id| id.as_uuid())).collect();
    let macs: Vec<Option<SqlMac>> = told.iter().map(|r| r.source_mac.map(|mac| SqlMac::new(mac.octets()))).collect();
    let ethertypes: Vec<i32> = told.iter().map(|r| r.headers.ethertype.into()).collect();
    let protocols: Vec<Option<i16>> = told.iter().map(|r| r.headers.protocol.map(Into::into)).collect();
    let sources: Vec<Option<IpNetwork>> = told.iter().map(|r| r.headers.source.map(Into::into)).collect();
    let destinations: Vec<Option<IpNetwork>> = told.iter().map(|r| r.headers.destination.map(Into::into)).collect();
    let source_ports: Vec<Option<i32>> = told.iter().map(|r| r.headers.source_port.map(Into::into)).collect();
    let destination_ports: Vec<Option<i32>> = told.iter().map(|r| r.headers.destination_port.map(Into::into)).collect();
    let types: Vec<Option<i16>> = told.iter().map(|r| r.headers.icmp_type.map(Into::into)).collect();
    let codes: Vec<Option<i16>> = told.iter().map(|r| r.headers.icmp_code.map(Into::into)).collect();
    sqlx::query!(
        "INSERT INTO connection_record (port_id, id, project_id, occurred_at, direction, verdict, reason, rule_id, source_mac, ethertype,
                                        protocol, source, destination, source_port, destination_port, icmp_type, icmp_code)
         SELECT l.port_id, t.id, l.project_id, t.occurred_at, t.direction, t.verdict, t.reason, t.rule_id, t.source_mac, t.ethertype,
                t.protocol, t.source, t.destination, t.source_port, t.destination_port, t.icmp_type, t.icmp_code
         FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::macaddr[], $10::integer[],
                     $11::smallint[], $12::inet[], $13::inet[], $14::integer[], $15::integer[], $16::smallint[], $17::smallint[])
             AS t (id, port_id, occurred_at, direction, verdict, reason, rule_id, source_mac, ethertype, protocol, source, destination,
                   source_port, destination_port, icmp_type, icmp_code)
         JOIN connection_log l ON l.port_id = t.port_id AND NOT l.ended AND t.verdict = ANY (l.verdicts)
         JOIN port_host b ON b.port_id = l.port_id AND b.host_id = $1
         ORDER BY l.port_id, t.id ON CONFLICT DO NOTHING",
        host_id.as_uuid(),
        &ids,
        &ports,
        &times,
        &directions,
        &verdicts,
        &reasons,
        &rules as &[Option<Uuid>],
        &macs as &[Option<SqlMac>],
        &ethertypes,
        &protocols as &[Option<i16>],
        &sources as &[Option<IpNetwork>],
        &destinations as &[Option<IpNetwork>],
        &source_ports as &[Option<i32>],
        &destination_ports as &[Option<i32>],
        &types as &[Option<i16>],
        &codes as &[Option<i16>]
    )
    .execute(&mut *conn)
    .await?;
    // The oldest of each port that has too many now.
    sqlx::query!(
        "DELETE FROM connection_record r USING (
             SELECT b.port_id, (SELECT c.id FROM connection_record c WHERE c.port_id = b.port_id ORDER BY c.id DESC OFFSET $3 LIMIT 1) AS last
             FROM port_host b WHERE b.port_id = ANY ($2) AND b.host_id = $1
         ) AS over WHERE r.port_id = over.port_id AND r.id <= over.last",
        host_id.as_uuid(),
        &ports,
        RECORDS_MAX
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends up to `batch` logs whose time is over, and tells their hosts. Needs a transaction.
pub async fn connection_logs_end(conn: &mut Conn, batch: i64) -> Result<u64> {
    let ended = sqlx::query_scalar!(
        "UPDATE connection_log SET ended = true WHERE port_id IN (
             SELECT port_id FROM connection_log WHERE NOT ended AND expires_at <= now() ORDER BY port_id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING port_id",
        batch
    )
    .fetch_all(&mut *conn)
    .await?;
    if !ended.is_empty() {
        ports_changed(conn, &ended).await?;
    }
    Ok(ended.len() as u64)
}

/// Deletes up to `batch` records that came longer ago than `age_s` seconds.
pub async fn connection_records_trim(conn: &mut Conn, age_s: f64, batch: i64) -> Result<u64> {
    let done = sqlx::query!(
        "DELETE FROM connection_record WHERE (port_id, id) IN (
             SELECT port_id, id FROM connection_record WHERE received_at < now() - make_interval(secs => $1) LIMIT $2)",
        age_s,
        batch
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// What a log asks of its host, as [`crate::desired`] reads it.
pub(crate) fn spec(
    verdicts: Option<Vec<String>>,
    rate: Option<i32>,
) -> Result<Option<iroko_agent_wire::ConnectionLogSpec>> {
    let (Some(verdicts), Some(rate)) = (verdicts, rate) else { return Ok(None) };
    let parse = |word: String| word.parse().map_err(Error::corrupt("verdicts"));
    let verdicts = verdicts.into_iter().map(parse).collect::<Result<_>>()?;
    let records_per_second = crate::number::unsigned("records_per_second", rate)?;
    Ok(Some(iroko_agent_wire::ConnectionLogSpec { verdicts, records_per_second }))
}
