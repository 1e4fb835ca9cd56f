//! Hosts, their two agents, and the one-time tokens by which they join.

mod enrol;

pub use enrol::*;

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, By, Columns, Common, Noun, Of, Within};
use crate::report::sent::Sent;
use ipnetwork::IpNetwork;
use iroko_model::host::HostState;
use iroko_model::reason::{Code, Reason};
use iroko_model::{Description, HostId, Labels};
use serde::Deserialize;
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// A host, as the operator sees it.
#[derive(Debug, Clone, FromRow)]
pub struct Host {
    /// What every noun has; the name is unique and never changes.
    #[sqlx(flatten)]
    pub common: Common<HostId>,
    /// `enabled`, `disabled` or `dead`.
    pub state: String,
    /// Both its agents were heard of within the lease.
    pub reachable: bool,
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
    /// Size of the file system of disks and images, once told.
    pub disk_total_mib: Option<i64>,
    /// What is free of it.
    pub disk_free_mib: Option<i64>,
    /// It is full: guests may be held, and nothing is built.
    pub disk_is_full: bool,
    /// What is given away.
    #[sqlx(json)]
    pub used: Used,
    /// Its agents, by kind, once they have enrolled.
    #[sqlx(json)]
    pub agents: Agents,
}

/// What is given away of a host.
#[derive(Debug, Clone, Deserialize)]
pub struct Used {
    /// Instances on it.
    pub instances: i64,
    /// Virtual processors.
    pub vcpus: i64,
    /// Memory.
    pub memory_mib: i64,
    /// Disk.
    pub disk_gib: i64,
}

/// The agents of a host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Agents {
    /// The compute-agent.
    pub compute: Agent,
    /// The net-agent.
    pub net: Agent,
}

/// What is known of an agent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Agent {
    /// What it called its version when its session began.
    pub version: Option<String>,
    /// When it was last heard of.
    #[serde(with = "time::serde::rfc3339::option")]
    pub seen_at: Option<OffsetDateTime>,
}

impl Noun for Host {
    type Id = HostId;
    const TABLE: &'static str = "host";
    const COLUMNS: &'static str = "n.state, n.architecture, n.vcpus, n.memory_mib, n.disk_gib, n.vtep, n.disk_total_mib, n.disk_free_mib, n.disk_is_full,
        (2 = (SELECT count(*) FROM host_agent a WHERE a.host_id = n.id AND a.seen_at > now() - host_lease())) AS reachable,
        (SELECT json_build_object('instances', count(*), 'vcpus', coalesce(sum(w.vcpus), 0), 'memory_mib', coalesce(sum(w.memory_mib), 0),
                                  'disk_gib', coalesce(sum(w.disk_gib), 0)) FROM instance_host w WHERE w.host_id = n.id) AS used,
        (SELECT coalesce(json_object_agg(a.kind, json_build_object('version', a.version, 'seen_at', a.seen_at)), '{}')
         FROM host_agent a WHERE a.host_id = n.id) AS agents";
    const FILTERS: &'static [By] = &[
        By {
            name: "state",
            of: Of::Word(&["enabled", "disabled", "dead"]),
            condition: "n.state = $",
            about: "Only hosts in this state.",
        },
        By {
            name: "reachable",
            of: Of::Flag,
            condition: "(2 = (SELECT count(*) FROM host_agent a WHERE a.host_id = n.id AND a.seen_at > now() - host_lease())) = $",
            about: "Only hosts whose agents were both heard of within the lease, or only the others.",
        },
    ];

    fn common(&self) -> &Common<HostId> {
        &self.common
    }
}

/// One host.
pub async fn host_get(conn: &mut Conn, id: HostId) -> Result<Option<Host>> {
    noun::get(conn, &Within::system(), id).await
}

/// What an operator may change of a host.
#[derive(Debug)]
pub struct HostChange<'a> {
    /// `enabled` or `disabled`; that one is dead is said by [`host_declare_dead`].
    pub state: HostState,
    /// What it is for.
    pub description: &'a Description,
    /// Labels.
    pub labels: &'a Labels,
}

/// Changes a host that the caller has locked.
pub async fn host_update(conn: &mut Conn, id: HostId, to: HostChange<'_>) -> Result<Host> {
    let row = Columns::default()
        .set("state", to.state.as_str())?
        .set("description", to.description.as_str().to_owned())?
        .set("labels", serde_json::json!(to.labels))?;
    noun::update(conn, id, row).await
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
        "UPDATE host SET state = 'dead', generation = generation + 1 WHERE id = $1 AND state <> 'dead' RETURNING id",
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
