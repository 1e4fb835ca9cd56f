//! Placement's share of the database: claiming what waits, seeing what there is, and giving
//! capacity away by one guarded statement.
//!
//! The scheduler decides in memory on a view that may be old. What it decided is committed only where
//! it still holds: [`placement_commit`] locks the hosts, counts anew what is given away from the rows
//! themselves, and refuses the rest. There is no counter that could drift.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::number::unsigned;
use iroko_model::host::Architecture;
use iroko_model::reason::Reason;
use iroko_model::{HostId, InstanceId, Resources};
use sqlx::types::Json;
use uuid::Uuid;

/// An instance that waits for a host.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The instance.
    pub id: InstanceId,
    /// What it needs.
    pub resources: Resources,
    /// What its host must be.
    pub architecture: Architecture,
    /// Hosts that failed to build it.
    pub excluded_hosts: Vec<HostId>,
    /// Its project or an organization above is suspended: it gets no host.
    pub suspended: bool,
}

/// Claims up to `limit` instances that are due for a try, oldest first. They stay claimed until the
/// transaction ends; other schedulers skip them.
pub async fn placement_claim(conn: &mut Conn, limit: i64) -> Result<Vec<Pending>> {
    let rows = sqlx::query!(
        r#"SELECT i.id, i.vcpus, i.memory_mib, i.disk_gib, i.architecture, i.excluded_hosts,
                  (p.suspended_at IS NOT NULL OR EXISTS (SELECT FROM organization s WHERE s.id = ANY (o.ancestors)
                      AND s.suspended_at IS NOT NULL)) AS "suspended!"
           FROM instance i JOIN project p ON p.id = i.project_id JOIN organization o ON o.id = p.organization_id
           WHERE i.power = 'running' AND i.fault IS NULL AND i.placement_after <= now()
           ORDER BY i.placement_after LIMIT $1 FOR NO KEY UPDATE OF i SKIP LOCKED"#,
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Pending {
                id: row.id.into(),
                resources: resources(row.vcpus.into(), row.memory_mib.into(), row.disk_gib.into())?,
                architecture: row.architecture.parse().map_err(Error::corrupt("architecture"))?,
                excluded_hosts: row.excluded_hosts.into_iter().map(HostId::from).collect(),
                suspended: row.suspended,
            })
        })
        .collect()
}

fn resources(vcpus: i64, memory_mib: i64, disk_gib: i64) -> Result<Resources> {
    Ok(Resources {
        vcpus: unsigned("vcpus", vcpus)?,
        memory_mib: unsigned("memory_mib", memory_mib)?,
        disk_gib: unsigned("disk_gib", disk_gib)?,
    })
}

/// A host as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct HostView {
    /// The host.
    pub id: HostId,
    /// Takes new instances, by the operator's word.
    pub enabled: bool,
    /// Both agents were heard of within the lease and have said what the host is.
    pub alive: bool,
    /// Processor architecture, once told.
    pub architecture: Option<Architecture>,
    /// What instances may use in all.
    pub capacity: Resources,
    /// What is given away.
    pub used: Resources,
    /// Instances on it.
    pub instances: u64,
    /// The file system of its disks and images is full.
    pub full: bool,
    /// It failed what several projects wanted built, and has built nothing since: it is left in peace for a while.
    pub resting: bool,
}

/// A host that fails what so many projects want built rests. One project alone, with a damaged image, makes no host rest.
const RESTS_AFTER_PROJECTS: i64 = 3;
/// So long, in seconds, after its last failed build.
const RESTS_S: f64 = 300.0;

/// All hosts but the dead.
pub async fn placement_view(conn: &mut Conn, lease_s: f64) -> Result<Vec<HostView>> {
    let rows = sqlx::query!(
        r#"SELECT h.id, h.state, h.disk_is_full, h.architecture, h.vcpus, h.memory_mib, h.disk_gib, coalesce(u.instances, 0) AS "instances!",
                  coalesce(u.vcpus, 0) AS "vcpus_used!", coalesce(u.memory_mib, 0) AS "memory_used!", coalesce(u.disk_gib, 0) AS "disk_used!",
                  (h.vtep IS NOT NULL AND h.vcpus IS NOT NULL AND 2 = (SELECT count(*) FROM host_agent a WHERE a.host_id = h.id
                      AND a.seen_at > now() - make_interval(secs => $1))) AS "alive!",
                  (SELECT count(*) FROM host_build_failure f WHERE f.host_id = h.id AND f.failed_at > now() - make_interval(secs => $2)
                      AND f.failed_at > coalesce(u.built_at, '-infinity')) >= $3 AS "resting!"
           FROM host h LEFT JOIN (SELECT host_id, count(*) AS instances, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib,
                                         max(ran_at) AS built_at FROM instance_host GROUP BY host_id) u ON u.host_id = h.id
           WHERE h.state <> 'dead'"#,
        lease_s,
        RESTS_S,
        RESTS_AFTER_PROJECTS
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(HostView {
                id: row.id.into(),
                enabled: row.state == "enabled",
                alive: row.alive,
                architecture: row
                    .architecture
                    .as_deref()
                    .map(str::parse)
                    .transpose()
                    .map_err(Error::corrupt("architecture"))?,
                capacity: resources(row.vcpus.unwrap_or(0), row.memory_mib.unwrap_or(0), row.disk_gib.unwrap_or(0))?,
                used: resources(row.vcpus_used, row.memory_used, row.disk_used)?,
                instances: unsigned("instances", row.instances)?,
                full: row.disk_is_full,
                resting: row.resting,
            })
        })
        .collect()
}

/// Gives each instance its host where that host still has room and is enabled; within one call
/// earlier pairs go first. Tells the hosts. Returns the instances that got theirs.
pub async fn placement_commit(conn: &mut Conn, pairs: &[(InstanceId, HostId)]) -> Result<Vec<InstanceId>> {
    let (instances, hosts): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().map(|(i, h)| (i.as_uuid(), h.as_uuid())).unzip();
    // A statement of its own: the next one must see what others committed while this one waited.
    sqlx::query!("SELECT id FROM host WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", &hosts)
        .fetch_all(&mut *conn)
        .await?;
    let placed = sqlx::query_scalar!(
        r#"WITH want AS (
               SELECT w.instance_id, w.host_id, i.vcpus, i.memory_mib, i.disk_gib, w.n
               FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS w (instance_id, host_id, n)
               JOIN instance i ON i.id = w.instance_id
               WHERE i.power = 'running' AND i.fault IS NULL AND i.placement_after IS NOT NULL FOR NO KEY UPDATE OF i
           ), asked AS (
               SELECT instance_id, host_id, sum(vcpus) OVER before AS vcpus, sum(memory_mib) OVER before AS memory_mib,
                      sum(disk_gib) OVER before AS disk_gib
               FROM want WINDOW before AS (PARTITION BY host_id ORDER BY n)
           ), used AS (
               SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib
               FROM instance_host WHERE host_id = ANY($2) GROUP BY host_id
           ), fits AS (
               SELECT a.instance_id, a.host_id FROM asked a JOIN host h ON h.id = a.host_id LEFT JOIN used u ON u.host_id = a.host_id
               WHERE h.state = 'enabled' AND a.vcpus + coalesce(u.vcpus, 0) <= h.vcpus
                 AND a.memory_mib + coalesce(u.memory_mib, 0) <= h.memory_mib AND a.disk_gib + coalesce(u.disk_gib, 0) <= h.disk_gib
           ), placed AS (
               UPDATE instance i SET placement_after = NULL, placement_reason = NULL FROM fits f WHERE i.id = f.instance_id
               RETURNING i.id, i.project_id, f.host_id, i.vcpus, i.memory_mib, i.disk_gib
           ), housed AS (
               INSERT INTO instance_host (instance_id, project_id, host_id, role, vcpus, memory_mib, disk_gib)
               SELECT id, project_id, host_id, 'home', vcpus, memory_mib, disk_gib FROM placed
           ), plugged AS (
               INSERT INTO port_host (port_id, project_id, network_id, host_id, role)
               SELECT p.id, p.project_id, p.network_id, placed.host_id, 'home' FROM placed JOIN port p ON p.instance_id = placed.id
               RETURNING port_id, host_id, network_id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id, refs)
               SELECT 'port', port_id, host_id, network_id,
                      ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = plugged.port_id)
               FROM plugged
               UNION ALL SELECT 'instance', id, host_id, NULL, '{}' FROM placed
           )
           SELECT id AS "id!" FROM placed"#,
        &instances,
        &hosts
    )
    .fetch_all(conn)
    .await?;
    Ok(placed.into_iter().map(InstanceId::from).collect())
}

/// Stores why instances got no host, and when to try again.
pub async fn placement_postpone(conn: &mut Conn, refused: &[(InstanceId, Reason)], after_s: f64) -> Result<()> {
    let ids: Vec<Uuid> = refused.iter().map(|(id, _)| id.as_uuid()).collect();
    let reasons: Vec<Json<Reason>> = refused.iter().map(|(_, reason)| Json(reason.clone())).collect();
    sqlx::query!(
        "UPDATE instance i SET placement_reason = r.reason, placement_after = now() + make_interval(secs => $3)
         FROM unnest($1::uuid[], $2::jsonb[]) AS r (id, reason) WHERE i.id = r.id",
        &ids,
        &reasons as &[Json<Reason>],
        after_s
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes instances that a host failed to build (and of which it has removed every trace) back from
/// it, to be placed on another; gives those up that `most_hosts` hosts have failed, or for which there is no other host
/// that is enabled and large enough, whatever it does now. One that is wanted stopped meanwhile needs no host: it gets one,
/// whichever, when it is started. Returns how many it looked at.
pub async fn placement_take_back(conn: &mut Conn, most_hosts: i32, at_most: i64) -> Result<u64> {
    let looked_at = sqlx::query_scalar!(
        r#"WITH failed AS (
               SELECT i.id, w.host_id, i.project_id, i.power = 'running' AS is_wanted, coalesce(w.reason, '{"code": "build_failed", "text": "it could not be built"}') AS reason,
                      i.power = 'stopped' OR cardinality(i.excluded_hosts) + 1 < $1 AND EXISTS (
                          SELECT FROM host h WHERE h.state = 'enabled' AND h.id <> w.host_id AND h.id <> ALL (i.excluded_hosts)
                            AND coalesce(h.architecture = i.architecture, true) AND coalesce(h.vcpus >= i.vcpus, true)
                            AND coalesce(h.memory_mib >= i.memory_mib, true) AND coalesce(h.disk_gib >= i.disk_gib, true)) AS elsewhere
               FROM instance_host w JOIN instance i ON i.id = w.instance_id
               WHERE w.state = 'failed' AND w.ran_at IS NULL AND w.role = 'home'
                 AND i.fault IS NULL AND i.power IN ('running', 'stopped') AND w.generation = i.generation
               ORDER BY i.id LIMIT $2 FOR NO KEY UPDATE OF i, w SKIP LOCKED
           ), noted AS (
               INSERT INTO host_build_failure (host_id, wanted_by, failed_at)
               SELECT DISTINCT host_id, project_id, now() FROM failed
               ON CONFLICT (host_id, wanted_by) DO UPDATE SET failed_at = excluded.failed_at
           ), taken AS (
               UPDATE instance i SET excluded_hosts = CASE WHEN failed.is_wanted THEN array_append(i.excluded_hosts, failed.host_id) ELSE i.excluded_hosts END,
                   generation = CASE WHEN failed.elsewhere THEN i.generation + 1 ELSE i.generation END,
                   fault = CASE WHEN NOT failed.elsewhere THEN failed.reason END,
                   placement_reason = CASE WHEN failed.elsewhere AND failed.is_wanted THEN jsonb_build_object('code', 'tried_elsewhere', 'text', $3 || (failed.reason ->> 'text')) END,
                   placement_after = CASE WHEN failed.elsewhere THEN now() END
               FROM failed WHERE i.id = failed.id
           ), freed AS (
               DELETE FROM instance_host w USING failed WHERE w.instance_id = failed.id AND w.host_id = failed.host_id AND failed.elsewhere
               RETURNING w.instance_id, w.host_id
           ), pulled AS (
               DELETE FROM port_host b USING port p, freed
               WHERE p.instance_id = freed.instance_id AND b.port_id = p.id AND b.host_id = freed.host_id
               RETURNING b.port_id, b.network_id, b.host_id
           ), ports AS (
               UPDATE port p SET generation = p.generation + 1 FROM pulled WHERE p.id = pulled.port_id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id, refs)
               SELECT 'port', port_id, host_id, network_id,
                      ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = pulled.port_id)
               FROM pulled
               UNION ALL SELECT 'instance', instance_id, host_id, NULL, '{}' FROM freed
           )
           SELECT id FROM failed"#,
        most_hosts,
        at_most,
        ELSEWHERE
    )
    .fetch_all(&mut *conn)
    .await?;
    crate::action::actions_settle(conn, &looked_at).await?;
    Ok(u64::try_from(looked_at.len()).unwrap_or(u64::MAX))
}

/// Begins the reason of an instance that is taken to another host.
const ELSEWHERE: &str = "one host could not build it, another one is tried: ";
