//! What hosts have that a full answer did not name. Where it is known to be deleted, or to have been taken to another host,
//! its host is told so; where it is wanted, it is told anew; what is not known here is kept, and shown to the operator.

use crate::conn::Conn;
use crate::error::Result;
use crate::number::stored;
use crate::page::{Page, PageQuery};
use ipnetwork::IpNetwork;
use iroko_agent_wire::{InstanceSpec, NicSpec, OrphanObservation};
use iroko_model::{HostId, InstanceId, Name, ProjectId};
use serde_json::Value;
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// Most orphans kept of one host.
pub const PER_HOST: i64 = 10_000;
/// Largest spec kept of one, in octets.
const SPEC_MAX_BYTES: usize = 256 * 1024;

/// Something on a host that nobody named.
#[derive(Debug, Clone)]
pub struct Orphan {
    /// Its place in pages: two hosts may have the same object.
    pub id: Uuid,
    /// The host.
    pub host_id: Uuid,
    /// Name of the host.
    pub host_name: String,
    /// `instance` or `port`.
    pub kind: String,
    /// The instance or the port.
    pub object_id: Uuid,
    /// The instance, or the one that the port is of.
    pub instance_id: Uuid,
    /// The port's network.
    pub network_id: Option<Uuid>,
    /// An instance that runs.
    pub is_running: bool,
    /// What the host last knew to be desired of an instance.
    pub spec: Option<Value>,
    /// When it was first told of.
    pub first_seen_at: OffsetDateTime,
    /// When it was last told of.
    pub seen_at: OffsetDateTime,
}

/// Takes what a host told of orphans. Returns whether hosts must look at something.
pub async fn orphans_accept(conn: &mut Conn, host: HostId, told: &[OrphanObservation]) -> Result<bool> {
    let object =
        |orphan: &OrphanObservation| orphan.port_id.map_or(orphan.instance_id.as_uuid(), |port| port.as_uuid());
    let over: Vec<Uuid> = told.iter().filter(|orphan| !orphan.is_there).map(object).collect();
    if !over.is_empty() {
        sqlx::query!("DELETE FROM orphan WHERE host_id = $1 AND object_id = ANY ($2)", host.as_uuid(), &over)
            .execute(&mut *conn)
            .await?;
    }
    let there: Vec<&OrphanObservation> = told.iter().filter(|orphan| orphan.is_there).collect();
    if there.is_empty() {
        return Ok(false);
    }
    let objects: Vec<Uuid> = there.iter().map(|orphan| object(orphan)).collect();
    let instances: Vec<Uuid> = there.iter().map(|orphan| orphan.instance_id.as_uuid()).collect();
    let networks: Vec<Option<Uuid>> = there.iter().map(|orphan| orphan.network_id.map(|id| id.as_uuid())).collect();
    let running: Vec<bool> = there.iter().map(|orphan| orphan.is_running).collect();
    let are_ports: Vec<bool> = there.iter().map(|orphan| orphan.port_id.is_some()).collect();
    let specs: Vec<Option<Value>> = there.iter().map(|orphan| spec(orphan)).collect();
    // An instance that is known is wanted here, or was deleted, or was taken from a host that failed to build it: the
    // outbox says which. A known one that is on another host, and was never taken from this one, is nobody's to destroy.
    let answered = sqlx::query_scalar!(
        r#"WITH told AS (
               SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bool[], $6::bool[], $7::jsonb[])
                   AS t (object_id, instance_id, network_id, is_port, is_running, spec)
           ), known AS (
               SELECT t.object_id, t.network_id, t.is_port FROM told t
               WHERE EXISTS (SELECT FROM instance_history h WHERE h.id = t.instance_id)
                  OR EXISTS (SELECT FROM instance i WHERE i.id = t.instance_id AND $1 = ANY (i.excluded_hosts))
                  OR EXISTS (SELECT FROM instance_host w WHERE w.instance_id = t.instance_id AND w.host_id = $1)
           ), answered AS (
               INSERT INTO change (kind, object_id, host_id, network_id)
               SELECT CASE WHEN is_port THEN 'port' ELSE 'instance' END, object_id, $1, network_id FROM known
               WHERE NOT is_port OR network_id IS NOT NULL RETURNING object_id
           ), kept AS (
               INSERT INTO orphan (host_id, kind, object_id, instance_id, network_id, is_running, spec)
               SELECT DISTINCT ON (t.object_id) $1, CASE WHEN t.is_port THEN 'port' ELSE 'instance' END, t.object_id, t.instance_id, t.network_id,
                      t.is_running, t.spec
               FROM told t WHERE t.object_id NOT IN (SELECT object_id FROM answered)
                 AND (SELECT count(*) FROM orphan WHERE host_id = $1) < $8
               ON CONFLICT (host_id, object_id) DO UPDATE SET seen_at = now(), is_running = excluded.is_running,
                   spec = coalesce(excluded.spec, orphan.spec)
           ), no_more AS (
               DELETE FROM orphan WHERE host_id = $1 AND object_id IN (SELECT object_id FROM answered)
           )
           SELECT EXISTS (SELECT FROM answered) AS "answered!""#,
        host.as_uuid(),
        &objects,
        &instances,
        &networks as &[Option<Uuid>],
        &are_ports,
        &running,
        &specs as &[Option<Value>],
        PER_HOST
    )
    .fetch_one(conn)
    .await?;
    Ok(answered)
}

/// What is kept of an orphan's spec: none that is too large, or that the database cannot hold.
fn spec(orphan: &OrphanObservation) -> Option<Value> {
    let text = serde_json::to_string(orphan.spec.as_deref()?).ok()?;
    if text.len() > SPEC_MAX_BYTES || text.contains("\\u0000") { None } else { serde_json::from_str(&text).ok() }
}

/// A page of all orphans.
pub async fn orphan_list(conn: &mut Conn, host: Option<HostId>, page: PageQuery) -> Result<Page<Orphan>> {
    let rows = sqlx::query_as!(
        Orphan,
        "SELECT o.id, o.host_id, h.name AS host_name, o.kind, o.object_id, o.instance_id, o.network_id, o.is_running, o.spec,
                o.first_seen_at, o.seen_at
         FROM orphan o JOIN host h ON h.id = o.host_id
         WHERE ($1::uuid IS NULL OR o.id > $1) AND ($3::uuid IS NULL OR o.host_id = $3)
         ORDER BY o.id LIMIT $2 + 1",
        page.after,
        page.limit,
        host.map(|id| id.as_uuid())
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// An instance that is an orphan on a host. Locked until the transaction ends.
pub async fn orphan_instance(conn: &mut Conn, host: HostId, instance: InstanceId) -> Result<Option<Orphan>> {
    Ok(sqlx::query_as!(
        Orphan,
        "SELECT o.id, o.host_id, h.name AS host_name, o.kind, o.object_id, o.instance_id, o.network_id, o.is_running, o.spec,
                o.first_seen_at, o.seen_at
         FROM orphan o JOIN host h ON h.id = o.host_id
         WHERE o.host_id = $1 AND o.object_id = $2 AND o.kind = 'instance' FOR UPDATE OF o",
        host.as_uuid(),
        instance.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Tells a host that an instance it keeps is gone, and the ports of it: its agents remove them, with the disk. False
/// where there is none such.
pub async fn orphan_remove(conn: &mut Conn, host: HostId, instance: InstanceId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"WITH found AS (
               SELECT object_id, kind, network_id FROM orphan WHERE host_id = $1 AND instance_id = $2 FOR UPDATE
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id)
               SELECT kind, object_id, $1, network_id FROM found WHERE kind = 'instance' OR network_id IS NOT NULL
           )
           SELECT EXISTS (SELECT FROM found WHERE kind = 'instance') AS "found!""#,
        host.as_uuid(),
        instance.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}

/// What an instance becomes that is adopted.
#[derive(Debug)]
pub struct Adoption<'a> {
    /// The host that has it.
    pub host_id: HostId,
    /// What its host last knew to be desired of it.
    pub spec: &'a InstanceSpec,
    /// Its project from now on.
    pub project_id: ProjectId,
    /// Its name.
    pub name: &'a Name,
    /// It is to run.
    pub runs: bool,
}

/// Why an instance cannot be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptionRefusal {
    /// An instance of this id is known.
    Known,
    /// No flavor has its size.
    NoFlavor,
    /// Its image is another project's.
    ForeignImage(Uuid),
    /// The project lacks one of its networks.
    NoNetwork(Uuid),
    /// One of its addresses is in no subnet of its network.
    NoSubnet(IpAddr),
}

/// Makes an instance that a host keeps one of a project, as it is: same id, ports, Ethernet and IP addresses. Its image,
/// where it is not known either, is made a record without bytes. Tells the host. [`crate::Error::Taken`] where one of
/// its addresses is another port's meanwhile.
pub async fn orphan_adopt(conn: &mut Conn, new: &Adoption<'_>) -> Result<std::result::Result<(), AdoptionRefusal>> {
    let (spec, project) = (new.spec, new.project_id.as_uuid());
    let id = spec.id.as_uuid();
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM instance WHERE id = $1 UNION ALL SELECT FROM instance_history WHERE id = $1) AS "known!""#,
        id
    );
    if known.fetch_one(&mut *conn).await? {
        return Ok(Err(AdoptionRefusal::Known));
    }
    let size = [spec.resources.vcpus, spec.resources.memory_mib, spec.resources.disk_gib].map(i32::try_from);
    let [Ok(vcpus), Ok(memory_mib), Ok(disk_gib)] = size else { return Ok(Err(AdoptionRefusal::NoFlavor)) };
    let flavor = sqlx::query_scalar!(
        "SELECT id FROM flavor WHERE vcpus = $1 AND memory_mib = $2 AND disk_gib = $3 ORDER BY id LIMIT 1",
        vcpus,
        memory_mib,
        disk_gib
    );
    let Some(flavor) = flavor.fetch_optional(&mut *conn).await? else { return Ok(Err(AdoptionRefusal::NoFlavor)) };
    for nic in &spec.nics {
        let network = nic.network_id.as_uuid();
        let here = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM network WHERE id = $1 AND project_id = $2) AS "here!""#,
            network,
            project
        );
        if !here.fetch_one(&mut *conn).await? {
            return Ok(Err(AdoptionRefusal::NoNetwork(network)));
        }
    }
    // A host says what it is made of, and gets the bytes of what its instances are made of: not those of strangers.
    let image = spec.image.id.as_uuid();
    let foreign = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM image WHERE id = $1 AND project_id <> $2) AS "foreign!""#,
        image,
        project
    );
    if foreign.fetch_one(&mut *conn).await? {
        return Ok(Err(AdoptionRefusal::ForeignImage(image)));
    }
    sqlx::query!(
        "INSERT INTO image (id, project_id, name, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256)
         SELECT $1, $2, $3, coalesce(h.architecture, 'x86_64'), $4, 'queued', $5, $6, $7 FROM host h WHERE h.id = $8
         ON CONFLICT (id) DO NOTHING",
        image,
        project,
        format!("of {}", new.name.as_str()),
        spec.image.format.as_str(),
        stored(spec.image.size_bytes),
        stored(spec.image.virtual_size_bytes),
        spec.image.sha256,
        new.host_id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO instance (id, project_id, name, hostname, flavor_id, vcpus, memory_mib, disk_gib, image_id, architecture, ssh_keys,
                               user_data, power, generation, reboots, user_data_is_base64, on_guest_shutdown, placement_after)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce(h.architecture, 'x86_64'), $10, $11, $12, $13, $14, $16, $17, NULL
         FROM host h WHERE h.id = $15",
        id,
        project,
        new.name.as_str(),
        spec.hostname.as_str(),
        flavor,
        vcpus,
        memory_mib,
        disk_gib,
        image,
        &spec.ssh_keys,
        spec.user_data.as_deref(),
        if new.runs { "running" } else { "stopped" },
        stored(spec.generation).saturating_add(1),
        stored(spec.operation.map_or(0, |operation| operation.number)),
        new.host_id.as_uuid(),
        spec.user_data_is_base64,
        spec.on_guest_shutdown.as_str()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO instance_host (instance_id, project_id, host_id, role, vcpus, memory_mib, disk_gib, reboots, ran_at)
         SELECT id, project_id, $2, 'home', vcpus, memory_mib, disk_gib, reboots, now() FROM instance WHERE id = $1",
        id,
        new.host_id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    for (index, nic) in spec.nics.iter().enumerate() {
        if let Err(refusal) = adopt_port(&mut *conn, new, index, nic).await? {
            return Ok(Err(refusal));
        }
    }
    sqlx::query!("DELETE FROM orphan WHERE host_id = $1 AND instance_id = $2", new.host_id.as_uuid(), id)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO change (kind, object_id, host_id) VALUES ('instance', $1, $2)",
        id,
        new.host_id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(Ok(()))
}

/// Makes the port of an interface: in the default group of the project, as every port is that names none.
async fn adopt_port(
    conn: &mut Conn,
    new: &Adoption<'_>,
    index: usize,
    nic: &NicSpec,
) -> Result<std::result::Result<(), AdoptionRefusal>> {
    let (port, network, project) = (nic.port_id.as_uuid(), nic.network_id.as_uuid(), new.project_id.as_uuid());
    sqlx::query!(
        "INSERT INTO port (id, project_id, network_id, instance_id, nic_index, mac, tap, generation)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        port,
        project,
        network,
        new.spec.id.as_uuid(),
        i32::try_from(index).unwrap_or(i32::MAX),
        mac_address::MacAddress::new(nic.mac.octets()) as mac_address::MacAddress,
        nic.tap,
        // The agents compare by content; larger than any that they hold.
        stored(new.spec.generation).saturating_add(1)
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO port_host (port_id, project_id, network_id, host_id, role) VALUES ($1, $2, $3, $4, 'home')",
        port,
        project,
        network,
        new.host_id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    for held in &nic.addresses {
        let address = IpNetwork::from(held.address.ip());
        let made = sqlx::query!(
            "INSERT INTO ip_allocation (network_id, address, subnet_id, port_id)
             SELECT $1, $2, s.id, $3 FROM subnet s WHERE s.network_id = $1 AND s.cidr::inet >>= $2",
            network,
            address,
            port
        );
        if made.execute(&mut *conn).await?.rows_affected() == 0 {
            return Ok(Err(AdoptionRefusal::NoSubnet(held.address.ip())));
        }
    }
    sqlx::query!(
        "WITH grouped AS (
             INSERT INTO port_security_group (project_id, port_id, security_group_id)
             SELECT $2, $1, g.id FROM security_group g WHERE g.project_id = $2 AND g.is_default RETURNING security_group_id
         )
         INSERT INTO change (kind, object_id, host_id, network_id, refs)
         SELECT 'port', $1, $3, $4, ARRAY(SELECT security_group_id FROM grouped)",
        port,
        project,
        new.host_id.as_uuid(),
        network
    )
    .execute(conn)
    .await?;
    Ok(Ok(()))
}
