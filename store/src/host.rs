//! Hosts, their two agents, and the one-time tokens by which they join.

use crate::conn::Conn;
use crate::error::Result;
use crate::number::stored;
use crate::page::{Filter, Page, PageQuery};
use crate::report::sent::Sent;
use ipnetwork::IpNetwork;
use iroko_agent_wire::{AgentKind, SessionRequest};
use iroko_model::host::HostState;
use iroko_model::reason::{Code, Reason};
use iroko_model::{EnrolmentTokenId, HostId};
use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A host, as the operator sees it.
#[derive(Debug, Clone)]
pub struct Host {
    /// The host.
    pub id: Uuid,
    /// Its unique name.
    pub name: String,
    /// `enabled`, `disabled` or `dead`.
    pub state: String,
    /// Processor architecture, once told.
    pub architecture: Option<String>,
    /// Virtual processors instances may use.
    pub vcpus: Option<i64>,
    /// Memory instances may use.
    pub memory_mib: Option<i64>,
    /// Disk instances may use.
    pub disk_gib: Option<i64>,
    /// Underlay address of its VXLAN end.
    pub vtep: Option<IpNetwork>,
    /// Labels.
    pub labels: Value,
    /// When it joined.
    pub created_at: OffsetDateTime,
    /// Size of the file system of disks and images, once told.
    pub disk_total_mib: Option<i64>,
    /// What is free of it.
    pub disk_free_mib: Option<i64>,
    /// It is full: guests may be held, and nothing is built.
    pub disk_is_full: bool,
    /// Instances on it.
    pub instances: i64,
    /// Virtual processors given away.
    pub vcpus_used: i64,
    /// Memory given away.
    pub memory_used_mib: i64,
    /// Disk given away.
    pub disk_used_gib: i64,
    /// When its compute-agent was last heard of.
    pub compute_seen_at: Option<OffsetDateTime>,
    /// When its net-agent was last heard of.
    pub net_seen_at: Option<OffsetDateTime>,
}

/// A page of all hosts.
pub async fn host_list(conn: &mut Conn, page: PageQuery, filter: &Filter) -> Result<Page<Host>> {
    let rows = sqlx::query_as!(
        Host,
        r#"SELECT h.id, h.name, h.state, h.architecture, h.vcpus, h.memory_mib, h.disk_gib, h.vtep, h.labels, h.created_at, h.disk_total_mib, h.disk_free_mib, h.disk_is_full,
                  u.instances AS "instances!", u.vcpus AS "vcpus_used!", u.memory_mib AS "memory_used_mib!", u.disk_gib AS "disk_used_gib!",
                  (SELECT seen_at FROM host_agent a WHERE a.host_id = h.id AND a.kind = 'compute') AS compute_seen_at,
                  (SELECT seen_at FROM host_agent a WHERE a.host_id = h.id AND a.kind = 'net') AS net_seen_at
           FROM host h, LATERAL (SELECT count(*) AS instances, coalesce(sum(vcpus), 0) AS vcpus,
                                        coalesce(sum(memory_mib), 0) AS memory_mib, coalesce(sum(disk_gib), 0) AS disk_gib
                                 FROM instance_host w WHERE w.host_id = h.id) u
           WHERE ($1::uuid IS NULL OR h.id > $1) AND ($3::text IS NULL OR h.name = $3) AND ($4::jsonb IS NULL OR h.labels @> $4)
           ORDER BY h.id LIMIT $2 + 1"#,
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// One host.
pub async fn host_get(conn: &mut Conn, id: HostId) -> Result<Option<Host>> {
    Ok(sqlx::query_as!(
        Host,
        r#"SELECT h.id, h.name, h.state, h.architecture, h.vcpus, h.memory_mib, h.disk_gib, h.vtep, h.labels, h.created_at, h.disk_total_mib, h.disk_free_mib, h.disk_is_full,
                  u.instances AS "instances!", u.vcpus AS "vcpus_used!", u.memory_mib AS "memory_used_mib!", u.disk_gib AS "disk_used_gib!",
                  (SELECT seen_at FROM host_agent a WHERE a.host_id = h.id AND a.kind = 'compute') AS compute_seen_at,
                  (SELECT seen_at FROM host_agent a WHERE a.host_id = h.id AND a.kind = 'net') AS net_seen_at
           FROM host h, LATERAL (SELECT count(*) AS instances, coalesce(sum(vcpus), 0) AS vcpus,
                                        coalesce(sum(memory_mib), 0) AS memory_mib, coalesce(sum(disk_gib), 0) AS disk_gib
                                 FROM instance_host w WHERE w.host_id = h.id) u
           WHERE h.id = $1"#,
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Sets what the operator wants of a host; false where there is none, or it is dead.
pub async fn host_set_state(conn: &mut Conn, id: HostId, state: HostState) -> Result<bool> {
    let done =
        sqlx::query!("UPDATE host SET state = $2 WHERE id = $1 AND state <> 'dead'", id.as_uuid(), state.as_str())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores how much room hosts have on their disks. A size that no disk has is one no disk can have.
pub(crate) async fn disks_accept(conn: &mut Conn, sent: &[Sent<'_>]) -> Result<()> {
    let told: Vec<_> = sent.iter().filter_map(|(host, report)| Some((host.as_uuid(), report.disk?))).collect();
    if told.is_empty() {
        return Ok(());
    }
    let mib = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let hosts: Vec<Uuid> = told.iter().map(|(host, _)| *host).collect();
    let totals: Vec<i64> = told.iter().map(|(_, disk)| mib(disk.total_mib)).collect();
    let frees: Vec<i64> = told.iter().map(|(_, disk)| mib(disk.free_mib)).collect();
    let full: Vec<bool> = told.iter().map(|(_, disk)| disk.is_full).collect();
    sqlx::query!(
        "WITH told AS (
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::boolean[]) AS t (id, total, free, is_full)
         ), locked AS (
             SELECT h.id FROM host h JOIN told t ON t.id = h.id
             WHERE (h.disk_total_mib, h.disk_free_mib, h.disk_is_full) IS DISTINCT FROM (t.total, t.free, t.is_full)
             ORDER BY h.id FOR NO KEY UPDATE OF h
         )
         UPDATE host h SET disk_total_mib = t.total, disk_free_mib = t.free, disk_is_full = t.is_full
         FROM told t JOIN locked ON locked.id = t.id WHERE h.id = t.id",
        &hosts,
        &totals,
        &frees,
        &full
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a host without instances, else [`crate::Error::InUse`]; false where there was none. Its
/// certificates stop working at once. Instances that their owners wanted deleted are in nobody's way where the host is off
/// and was not heard of for `lease_s` seconds: they are gone with it.
pub async fn host_delete(conn: &mut Conn, id: HostId, lease_s: f64) -> Result<bool> {
    let deleting = sqlx::query_scalar!(
        "SELECT i.id FROM instance_host w JOIN instance i ON i.id = w.instance_id JOIN host h ON h.id = w.host_id
         WHERE h.id = $1 AND h.state <> 'enabled' AND i.power = 'deleted'
           AND NOT EXISTS (SELECT FROM instance_host o JOIN instance k ON k.id = o.instance_id
                           WHERE o.host_id = h.id AND k.power <> 'deleted')
           AND NOT EXISTS (SELECT FROM host_agent a WHERE a.host_id = h.id AND a.seen_at > now() - make_interval(secs => $2))
         ORDER BY i.id FOR UPDATE OF i",
        id.as_uuid(),
        lease_s
    )
    .fetch_all(&mut *conn)
    .await?;
    crate::instance::instance_finish_delete(&mut *conn, &deleting).await?;
    let done = sqlx::query!("DELETE FROM host WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// An enrolment token's record; the secret is not in it.
#[derive(Debug, Clone)]
pub struct EnrolmentToken {
    /// The record.
    pub id: Uuid,
    /// The only host name it is good for, where it was bound to one.
    pub host_name: Option<String>,
    /// Which agents have used it.
    pub used_by: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// Makes a token of which only the hash is stored.
pub async fn enrolment_token_insert(
    conn: &mut Conn,
    secret_hash: &[u8],
    host_name: Option<&str>,
    valid_s: f64,
) -> Result<EnrolmentToken> {
    Ok(sqlx::query_as!(
        EnrolmentToken,
        "INSERT INTO enrolment_token (id, secret_hash, host_name, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))
         RETURNING id, host_name, used_by, created_at, expires_at",
        EnrolmentTokenId::new().as_uuid(),
        secret_hash,
        host_name,
        valid_s
    )
    .fetch_one(conn)
    .await?)
}

/// A page of all tokens.
pub async fn enrolment_token_list(conn: &mut Conn, page: PageQuery) -> Result<Page<EnrolmentToken>> {
    let rows = sqlx::query_as!(
        EnrolmentToken,
        "SELECT id, host_name, used_by, created_at, expires_at FROM enrolment_token
         WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2 + 1",
        page.after,
        page.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// One token.
pub async fn enrolment_token_get(conn: &mut Conn, id: EnrolmentTokenId) -> Result<Option<EnrolmentToken>> {
    Ok(sqlx::query_as!(
        EnrolmentToken,
        "SELECT id, host_name, used_by, created_at, expires_at FROM enrolment_token WHERE id = $1",
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Revokes a token; false where there was none. Hosts that joined with it stay.
pub async fn enrolment_token_delete(conn: &mut Conn, id: EnrolmentTokenId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM enrolment_token WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Why an agent may not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolRefusal {
    /// No such token, or it has ended.
    #[error("the enrolment token is unknown or has expired; ask the operator for a new one")]
    Token,
    /// This kind of agent has already used it.
    #[error("this agent has already enrolled with the token; ask the operator for a new one")]
    Used,
    /// The token is for a host of another name.
    #[error("the enrolment token is for a host of another name")]
    Name,
    /// The host of this name was declared dead.
    #[error(
        "the host of this name was declared dead and never comes back; the operator forgets it first, then it joins as a new one"
    )]
    Dead,
}

/// Lets an agent join: checks and uses up its part of the token, makes the host with the first
/// agent. A token bound to the name of a host that is there lets its agents join anew. The same agent
/// may enrol again until it has begun a session, so that a lost answer is no loss. Needs a
/// transaction. [`crate::Error::Taken`] where another host has the name.
pub async fn enrol(
    conn: &mut Conn,
    secret_hash: &[u8],
    kind: AgentKind,
    host_name: &str,
    serial: &str,
) -> Result<std::result::Result<HostId, EnrolRefusal>> {
    // A statement of its own: the next one must see what the host's other agent, with the same
    // token, committed while this one waited.
    let token_id = sqlx::query_scalar!(
        "SELECT id FROM enrolment_token WHERE secret_hash = $1 AND expires_at > now() FOR UPDATE",
        secret_hash
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(token_id) = token_id else { return Ok(Err(EnrolRefusal::Token)) };
    let token = sqlx::query!(
        r#"SELECT t.host_name, t.used_by, h.id AS "host_id?", h.name AS "joined_name?", coalesce(h.state = 'dead', false) AS "dead!",
                  EXISTS (SELECT FROM host_agent a WHERE a.host_id = t.host_id AND a.kind = $2
                          AND a.incarnation > a.enrolled_incarnation) AS "began!"
           FROM enrolment_token t LEFT JOIN host h ON h.id = t.host_id OR (t.host_id IS NULL AND h.name = t.host_name)
           WHERE t.id = $1"#,
        token_id,
        kind.as_str()
    )
    .fetch_one(&mut *conn)
    .await?;
    if token.dead {
        return Ok(Err(EnrolRefusal::Dead));
    }
    if token.began && token.used_by.iter().any(|used| used == kind.as_str()) {
        return Ok(Err(EnrolRefusal::Used));
    }
    if token.joined_name.or(token.host_name).is_some_and(|wanted| wanted != host_name) {
        return Ok(Err(EnrolRefusal::Name));
    }
    let host_id = match token.host_id {
        Some(id) => id,
        None => host_insert(&mut *conn, host_name).await?,
    };
    sqlx::query!(
        "UPDATE enrolment_token SET host_id = $2, used_by = array_append(array_remove(used_by, $3), $3) WHERE id = $1",
        token_id,
        host_id,
        kind.as_str()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO host_agent AS a (host_id, kind, certificate_serial) VALUES ($1, $2, $3)
         ON CONFLICT (host_id, kind) DO UPDATE SET certificate_serial = excluded.certificate_serial, next_serial = NULL,
             enrolled_incarnation = a.incarnation",
        host_id,
        kind.as_str(),
        serial
    )
    .execute(conn)
    .await?;
    Ok(Ok(host_id.into()))
}

async fn host_insert(conn: &mut Conn, name: &str) -> Result<Uuid> {
    let id = HostId::new().as_uuid();
    sqlx::query!("INSERT INTO host (id, name) VALUES ($1, $2)", id, name).execute(conn).await?;
    Ok(id)
}

/// The agent's certificate is from now on the one with this serial number, and no other.
pub async fn agent_certificate_set(conn: &mut Conn, host_id: HostId, kind: AgentKind, serial: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE host_agent SET certificate_serial = $3, next_serial = NULL WHERE host_id = $1 AND kind = $2",
        host_id.as_uuid(),
        kind.as_str(),
        serial
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A new certificate was issued to the agent; its first use ends the old one.
pub async fn agent_certificate_issued(conn: &mut Conn, host_id: HostId, kind: AgentKind, serial: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE host_agent SET next_serial = $3 WHERE host_id = $1 AND kind = $2",
        host_id.as_uuid(),
        kind.as_str(),
        serial
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A certificate that was shown: whose it says it is, and its serial number.
pub type Shown = (HostId, AgentKind, String);

/// Of each certificate, whether it is the agent's: not where it was replaced or the host is gone. One that
/// was issued and is shown for the first time takes the place of the one before.
pub async fn agent_certificates_hold(conn: &mut Conn, shown: &[Shown]) -> Result<Vec<bool>> {
    let hosts: Vec<Uuid> = shown.iter().map(|(host, ..)| host.as_uuid()).collect();
    let kinds: Vec<String> = shown.iter().map(|(_, kind, _)| kind.as_str().to_owned()).collect();
    let serials: Vec<String> = shown.iter().map(|(.., serial)| serial.clone()).collect();
    // What is in the lists must not matter for the plan, or it would be made anew each time.
    let rows = sqlx::query!(
        r#"SELECT s.n AS "n!", a.certificate_serial = s.serial AS "is_current!"
           FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[]), (SELECT $3::text[])) WITH ORDINALITY AS s (host_id, kind, serial, n)
           JOIN host_agent a ON a.host_id = s.host_id AND a.kind = s.kind
           WHERE a.certificate_serial = s.serial OR a.next_serial = s.serial"#,
        &hosts,
        &kinds,
        &serials
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut hold = vec![false; shown.len()];
    for row in rows {
        let at = usize::try_from(row.n - 1).expect("PostgreSQL counts what it was given from 1");
        hold[at] = true;
        if !row.is_current {
            sqlx::query!(
                "UPDATE host_agent SET certificate_serial = $3, next_serial = NULL WHERE host_id = $1 AND kind = $2 AND next_serial = $3",
                hosts[at],
                kinds[at],
                serials[at]
            )
            .execute(&mut *conn)
            .await?;
        }
    }
    Ok(hold)
}

/// Begins a session: stores what the host says of itself and gives the incarnation. `None` where
/// the host is gone.
pub async fn session_begin(conn: &mut Conn, host_id: HostId, request: &SessionRequest) -> Result<Option<i64>> {
    let incarnation = sqlx::query_scalar!(
        "UPDATE host_agent SET incarnation = incarnation + 1, sequence = 0, seen_at = now(), version = $3
         WHERE host_id = $1 AND kind = $2 RETURNING incarnation",
        host_id.as_uuid(),
        request.agent.as_str(),
        request.version
    )
    .fetch_optional(&mut *conn)
    .await?;
    let moved = sqlx::query_scalar!(
        r#"WITH old AS (SELECT id, vtep FROM host WHERE id = $1 FOR NO KEY UPDATE)
           UPDATE host h SET architecture = coalesce($2, architecture), vcpus = coalesce($3, vcpus),
               memory_mib = coalesce($4, memory_mib), disk_gib = coalesce($5, disk_gib),
               vtep = coalesce($6, h.vtep), underlay_mtu = coalesce($7, underlay_mtu)
           FROM old WHERE h.id = old.id RETURNING (old.vtep IS DISTINCT FROM h.vtep) AS "moved!""#,
        host_id.as_uuid(),
        request.architecture.map(|a| a.as_str()),
        request.capacity.map(|c| stored(c.vcpus)),
        request.capacity.map(|c| stored(c.memory_mib)),
        request.capacity.map(|c| stored(c.disk_gib)),
        request.vtep.map(IpNetwork::from) as Option<IpNetwork>,
        request.underlay_mtu.map(|mtu| i32::try_from(mtu).unwrap_or(i32::MAX))
    )
    .fetch_optional(&mut *conn)
    .await?;
    if moved == Some(true) {
        tell_peers(conn, host_id).await?;
    }
    Ok(incarnation)
}

/// The host's VXLAN end has moved: every host that shares a network with it must look at its ports.
async fn tell_peers(conn: &mut Conn, host_id: HostId) -> Result<()> {
    sqlx::query!(
        "INSERT INTO change (kind, object_id, host_id, network_id)
         SELECT 'port', port_id, host_id, network_id FROM port_host WHERE host_id = $1",
        host_id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What came of the word that a host is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// Instances that ran on it: their disks are lost.
    pub lost: i64,
    /// Instances that had not run yet: they are placed on another host.
    pub placed_anew: i64,
    /// Instances that were being deleted: they are gone.
    pub deleted: i64,
}

/// What the owner of an instance reads that was lost with its host.
const LOST: &str =
    "its host was lost, and its disk with it; delete it, and make another one from a backup or its image";
/// What the owner of an instance reads that had not run yet.
const ANEW: &str = "its host was lost before it ran; another one is looked for";

/// Takes a host off for good, by the operator's word that it is lost: its certificates are void, so that it never comes
/// back by itself. Instances being deleted are gone; those that never ran are placed anew; those that ran are lost, and
/// only their owners delete them. Other hosts forget the way to it. Needs a transaction. `None` where there is no such
/// host, or it is dead already.
pub async fn host_declare_dead(conn: &mut Conn, id: HostId) -> Result<Option<Declared>> {
    let locked = sqlx::query_scalar!(
        "UPDATE host SET state = 'dead' WHERE id = $1 AND state <> 'dead' RETURNING id",
        id.as_uuid()
    );
    if locked.fetch_optional(&mut *conn).await?.is_none() {
        return Ok(None);
    }
    sqlx::query!(
        "UPDATE host_agent SET certificate_serial = 'void', next_serial = NULL WHERE host_id = $1",
        id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM enrolment_token WHERE host_id = $1", id.as_uuid()).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM orphan WHERE host_id = $1", id.as_uuid()).execute(&mut *conn).await?;
    let deleting = sqlx::query_scalar!(
        "SELECT i.id FROM instance i JOIN instance_host w ON w.instance_id = i.id
         WHERE w.host_id = $1 AND i.power = 'deleted' ORDER BY i.id FOR UPDATE OF i",
        id.as_uuid()
    )
    .fetch_all(&mut *conn)
    .await?;
    crate::instance::instance_finish_delete(&mut *conn, &deleting).await?;
    sqlx::query!(
        "SELECT i.id FROM instance i JOIN instance_host w ON w.instance_id = i.id WHERE w.host_id = $1 ORDER BY i.id FOR UPDATE OF i",
        id.as_uuid()
    )
    .fetch_all(&mut *conn)
    .await?;
    let left = sqlx::query!(
        r#"WITH freed AS (
               DELETE FROM instance_host WHERE host_id = $1 RETURNING instance_id AS id, role, ran_at
           ), left_host AS (
               UPDATE instance i SET generation = i.generation + 1, excluded_hosts = array_append(i.excluded_hosts, $1),
                   lost_at = CASE WHEN freed.ran_at IS NOT NULL THEN now() END,
                   fault = CASE WHEN freed.ran_at IS NOT NULL THEN $2::jsonb END,
                   placement_reason = CASE WHEN freed.ran_at IS NULL THEN $3::jsonb END,
                   placement_after = now()
               FROM freed WHERE i.id = freed.id AND freed.role = 'home' RETURNING i.id, freed.ran_at
           ), pulled AS (
               DELETE FROM port_host WHERE host_id = $1 RETURNING port_id, network_id
           ), ports AS (
               UPDATE port p SET generation = p.generation + 1 FROM pulled WHERE p.id = pulled.port_id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id, refs)
               SELECT 'port', port_id, $1, network_id,
                      ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = pulled.port_id)
               FROM pulled
               UNION ALL SELECT 'instance', id, $1, NULL, '{}' FROM freed
           )
           SELECT count(*) FILTER (WHERE ran_at IS NOT NULL) AS "lost!", count(*) FILTER (WHERE ran_at IS NULL) AS "anew!",
                  coalesce(array_agg(id), '{}') AS "ids!"
           FROM left_host"#,
        id.as_uuid(),
        Json(Reason::new(Code::HostLost, LOST)) as Json<Reason>,
        Json(Reason::new(Code::PlacedAnew, ANEW)) as Json<Reason>
    )
    .fetch_one(&mut *conn)
    .await?;
    crate::action::actions_settle(conn, &left.ids).await?;
    let deleted = i64::try_from(deleting.len()).unwrap_or(i64::MAX);
    Ok(Some(Declared { lost: left.lost, placed_anew: left.anew, deleted }))
}
