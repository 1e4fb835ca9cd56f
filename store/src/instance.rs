//! Instances: what is wanted of them, and reading them back.

mod interface;
mod make;
mod reason;

pub(crate) use reason::Told;

pub use interface::{interface_attach, interface_detach, interface_places};
pub use make::{NewNic, PartImage, Parts, instance_make, instance_parts};

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, By, Common, Noun, Of, Within};
use crate::port::PortAddress;
use iroko_model::host::Architecture;
use iroko_model::instance::{Facts, OnGuestShutdown, Power, Status, status};
use iroko_model::port::PortLimits;
use iroko_model::reason::Reason;
use iroko_model::{FlavorId, Hostname, ImageId, InstanceId, Naming, ProjectId};
use serde::Deserialize;
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// An interface of an instance.
#[derive(Debug, Clone, Deserialize)]
pub struct Interface {
    /// Its port.
    pub port_id: Uuid,
    /// Its network.
    pub network_id: Uuid,
    /// Ethernet address.
    pub mac: String,
    /// IP addresses.
    pub addresses: Vec<PortAddress>,
    /// The security groups of the port.
    pub groups: Vec<Uuid>,
    /// The QoS policy of the port.
    pub policy: Option<Uuid>,
}

/// An instance, with everything its status is derived from.
#[derive(Debug, Clone, FromRow)]
pub struct Instance {
    /// What every noun has; the name need not be unique.
    #[sqlx(flatten)]
    pub common: Common<InstanceId>,
    /// Its project.
    pub project_id: Uuid,
    /// Host name told to the guest.
    pub hostname: String,
    /// The flavor it was made with.
    pub flavor_id: Uuid,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// How much each of its ports may carry.
    pub limits: Json<PortLimits>,
    /// The image its disk starts from.
    pub image_id: Uuid,
    /// The SSH keys it was made with; some may be gone.
    pub ssh_key_ids: Vec<Uuid>,
    /// Wanted power state.
    pub power: String,
    /// Reboots ever asked for.
    pub reboots: i64,
    /// Its host.
    pub host_id: Option<Uuid>,
    /// Why no host was found.
    pub placement_reason: Option<Json<Reason>>,
    /// Why it was given up.
    pub fault: Option<Json<Reason>>,
    /// What its host last saw.
    pub observed_state: Option<String>,
    /// Why.
    pub observed_reason: Option<Json<Reason>>,
    /// Reboots done.
    pub observed_reboots: i64,
    /// When it first ran.
    pub ran_at: Option<OffsetDateTime>,
    /// The generation that its host has carried out.
    pub observed_generation: i64,
    /// Parts of its definition that are in force from its next start on.
    pub at_next_start: Vec<String>,
    /// When it was gone.
    pub deleted_at: Option<OffsetDateTime>,
    /// What shall be when its guest shuts itself down.
    pub on_guest_shutdown: String,
    /// When its guest shut itself down, where nobody has asked for anything since.
    pub guest_shutdown_at: Option<OffsetDateTime>,
    /// Its host's lease has run out.
    pub host_unreachable: bool,
    /// Its project or an organization above is suspended: it is kept off.
    pub suspended: bool,
    /// Interfaces, in order.
    pub interfaces: Json<Vec<Interface>>,
}

const fn by(name: &'static str, of: Of, condition: &'static str, about: &'static str) -> By {
    By { name, of, condition, about }
}

impl Noun for Instance {
    type Id = InstanceId;
    const TABLE: &'static str = "instance";
    const COLUMNS: &'static str = "
        n.project_id, n.hostname, n.flavor_id, n.vcpus, n.memory_mib, n.disk_gib, n.image_id, n.ssh_key_ids, n.power, n.reboots,
        n.placement_reason, n.fault, n.on_guest_shutdown, n.guest_shutdown_at, NULL::timestamptz AS deleted_at,
        port_limits(n.ingress_kbit_s, n.egress_kbit_s, n.ingress_packets_s, n.egress_packets_s) AS limits,
        w.host_id, w.state AS observed_state, w.reason AS observed_reason, coalesce(w.reboots, 0) AS observed_reboots, w.ran_at,
        coalesce(w.generation, 0) AS observed_generation, coalesce(w.at_next_start, '{}') AS at_next_start,
        (w.host_id IS NOT NULL AND coalesce(h.seen_at < now() - host_lease(), true)) AS host_unreachable,
        coalesce((SELECT project_is_suspended(bound_project())), false) AS suspended,
        (SELECT coalesce(json_agg(json_build_object('port_id', p.id, 'network_id', p.network_id, 'mac', p.mac,
                'addresses', (SELECT coalesce(json_agg(json_build_object('address', host(a.address), 'subnet_id', a.subnet_id)
                                     ORDER BY family(a.address)), '[]') FROM ip_allocation a WHERE a.port_id = p.id),
                'groups', ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = p.id ORDER BY m.security_group_id),
                'policy', p.qos_policy_id)
                ORDER BY p.nic_index), '[]') FROM port p WHERE p.instance_id = n.id) AS interfaces";
    const JOINS: &'static str = "
        LEFT JOIN LATERAL (SELECT * FROM instance_host WHERE instance_id = n.id AND role = 'home' LIMIT 1) w ON true
        LEFT JOIN LATERAL (SELECT seen_at FROM host_agent WHERE host_id = w.host_id AND kind = 'compute' LIMIT 1) h ON true";
    const FILTERS: &'static [By] = &[
        by("deleted", Of::Flag, "NOT $::boolean", "Instances that are gone, in place of those that are there."),
        by("status", Of::Word(Status::WORDS), "instance_status_of(n) = $", "Only instances with this status."),
        by(
            "host_id",
            Of::Id,
            "EXISTS (SELECT FROM instance_host f WHERE f.instance_id = n.id AND f.host_id = $)",
            "Only instances on this host; for operators only.",
        ),
        by("flavor_id", Of::Id, "n.flavor_id = $", "Only instances that were made with this flavor."),
        by("image_id", Of::Id, "n.image_id = $", "Only instances whose disk started from this image."),
        by(
            "network_id",
            Of::Id,
            "EXISTS (SELECT FROM port f WHERE f.instance_id = n.id AND f.network_id = $)",
            "Only instances with an interface on this network.",
        ),
    ];

    fn common(&self) -> &Common<InstanceId> {
        &self.common
    }
}

/// An instance that is gone, as it was last.
#[derive(Debug, Clone, FromRow)]
pub struct Departed {
    /// What was kept of it.
    #[sqlx(flatten)]
    pub last: Instance,
}

impl Noun for Departed {
    type Id = InstanceId;
    const TABLE: &'static str = "instance_history";
    const COLUMNS: &'static str = "
        n.project_id, n.hostname, n.flavor_id, n.vcpus, n.memory_mib, n.disk_gib, n.image_id, n.ssh_key_ids, 'deleted' AS power,
        0::bigint AS reboots, NULL::jsonb AS placement_reason, NULL::jsonb AS fault, n.on_guest_shutdown,
        NULL::timestamptz AS guest_shutdown_at, n.deleted_at,
        port_limits(n.ingress_kbit_s, n.egress_kbit_s, n.ingress_packets_s, n.egress_packets_s) AS limits,
        NULL::uuid AS host_id, NULL::text AS observed_state, NULL::jsonb AS observed_reason, 0::bigint AS observed_reboots,
        NULL::timestamptz AS ran_at, n.generation AS observed_generation, '{}'::text[] AS at_next_start, false AS host_unreachable, false AS suspended,
        '[]'::json AS interfaces";
    // In the order of those of instances.
    const FILTERS: &'static [By] = &[
        by("deleted", Of::Flag, "$::boolean", ""),
        by("status", Of::Word(Status::WORDS), "'deleted' = $::text", ""),
        by("host_id", Of::Id, "$::uuid IS NULL", ""),
        by("flavor_id", Of::Id, "n.flavor_id = $", ""),
        by("image_id", Of::Id, "n.image_id = $", ""),
        by("network_id", Of::Id, "$::uuid IS NULL", ""),
    ];

    fn common(&self) -> &Common<InstanceId> {
        &self.last.common
    }
}

impl Instance {
    /// The one visible status.
    pub fn status(&self) -> Status {
        status(Facts {
            power: self.effective_power(),
            deleted: self.deleted_at.is_some(),
            placed: self.host_id.is_some(),
            given_up: self.fault.is_some(),
            host_unreachable: self.host_unreachable,
            observed: self.observed_state.as_deref().and_then(|word| word.parse().ok()),
            reboot_due: self.observed_reboots < self.reboots,
            never_ran: self.ran_at.is_none(),
        })
    }

    /// What its host is told: the owner's wish, or to be off while it is suspended.
    fn effective_power(&self) -> Power {
        match self.power.parse().unwrap_or(Power::Running) {
            Power::Running if self.suspended => Power::Stopped,
            power => power,
        }
    }

    /// Why it has that status, where there is something to say.
    pub fn status_reason(&self) -> Option<Reason> {
        let told = Told {
            kept_off: self.suspended && self.power == Power::Running.as_str(),
            by_guest: self.guest_shutdown_at.is_some(),
            host_unreachable: self.host_unreachable,
            placement: self.placement_reason.as_deref(),
            fault: self.fault.as_deref(),
            observed: self.observed_reason.as_deref(),
        };
        told.reason(self.status())
    }
}

/// An instance to be made.
#[derive(Debug)]
pub struct NewInstance<'a> {
    /// Its id.
    pub id: InstanceId,
    /// Its project.
    pub project_id: ProjectId,
    /// What people write on it.
    pub naming: &'a Naming,
    /// Host name.
    pub hostname: &'a Hostname,
    /// The flavor.
    pub flavor_id: FlavorId,
    /// What the flavor gives.
    pub size: crate::flavor::Size,
    /// The image, of the same project.
    pub image_id: ImageId,
    /// What its host must be.
    pub architecture: Architecture,
    /// `authorized_keys` lines.
    pub ssh_keys: &'a [String],
    /// The keys that they are of.
    pub ssh_key_ids: &'a [Uuid],
    /// cloud-init user data.
    pub user_data: Option<&'a str>,
    /// It is base64 of what the guest shall get.
    pub user_data_is_base64: bool,
    /// What shall be when its guest shuts itself down.
    pub on_guest_shutdown: OnGuestShutdown,
}

/// One instance of the project that is not gone. Within a transaction that is bound to the project.
pub async fn instance_get(conn: &mut Conn, project_id: ProjectId, id: InstanceId) -> Result<Option<Instance>> {
    noun::get(conn, &Within::project(project_id), id).await
}

/// One instance of the project that is gone, as it was last.
pub async fn instance_history_get(conn: &mut Conn, project_id: ProjectId, id: InstanceId) -> Result<Option<Instance>> {
    Ok(noun::get::<Departed>(conn, &Within::project(project_id), id).await?.map(|departed| departed.last))
}

/// Makes the coming partitions of the history. Returns how many.
pub async fn instance_history_keep(conn: &mut Conn) -> Result<u64> {
    let made = sqlx::query_scalar!(r#"SELECT partition_months('instance_history', 2, '100 years') AS "made!""#);
    Ok(u64::try_from(made.fetch_one(conn).await?).unwrap_or_default())
}

/// The user data an instance was made with, and whether it is base64. `None` where the project has no such
/// instance, or it is deleted.
pub async fn instance_user_data(
    conn: &mut Conn,
    project_id: ProjectId,
    id: InstanceId,
) -> Result<Option<(Option<String>, bool)>> {
    let found = sqlx::query!(
        "SELECT user_data, user_data_is_base64 FROM instance WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    );
    Ok(found.fetch_optional(conn).await?.map(|row| (row.user_data, row.user_data_is_base64)))
}

/// True where the project has the instance, or had it.
pub async fn instance_exists(conn: &mut Conn, project_id: ProjectId, id: InstanceId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM instance WHERE project_id = $1 AND id = $2)
               OR EXISTS (SELECT FROM instance_history WHERE project_id = $1 AND id = $2) AS "exists!""#,
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}

/// Changes the wanted power state to `running` or `stopped` and tells the host. Asking for what is
/// already wanted changes nothing, except that an instance that failed to start is tried again, and
/// one that was given up as if no host had failed it yet.
/// False where the project has no such instance, it is being deleted, or it was lost with its host.
pub async fn instance_set_power(conn: &mut Conn, project_id: ProjectId, id: InstanceId, power: Power) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"WITH known AS (
               SELECT id FROM instance WHERE project_id = $1 AND id = $2 AND power <> 'deleted' AND lost_at IS NULL FOR UPDATE
           ), changed AS (
               UPDATE instance i SET power = $3, generation = generation + 1, fault = NULL, guest_shutdown_at = NULL,
                   excluded_hosts = CASE WHEN i.fault IS NULL THEN i.excluded_hosts ELSE '{}' END FROM known
               WHERE i.id = known.id AND (i.power <> $3 OR EXISTS (
                   SELECT FROM instance_host w WHERE w.instance_id = known.id AND w.role = 'home' AND w.state = 'failed'))
               RETURNING i.id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM changed, instance_hosts(id) AS h
           )
           SELECT EXISTS (SELECT FROM known) AS "found!""#,
        project_id.as_uuid(),
        id.as_uuid(),
        power.as_str()
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Changes what people wrote on an instance and what shall be when its guest shuts itself down, and tells its host, which
/// reports the generation that it has carried out. False where the project has no such instance or it is being deleted.
pub async fn instance_update(
    conn: &mut Conn,
    project_id: ProjectId,
    id: InstanceId,
    naming: &Naming,
    policy: OnGuestShutdown,
) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"WITH known AS (
               SELECT id FROM instance WHERE project_id = $1 AND id = $2 AND power <> 'deleted' FOR UPDATE
           ), changed AS (
               UPDATE instance i SET name = $4, description = $5, labels = $6, on_guest_shutdown = $3, generation = generation + 1
               FROM known WHERE i.id = known.id RETURNING i.id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM changed, instance_hosts(id) AS h
           )
           SELECT EXISTS (SELECT FROM known) AS "found!""#,
        project_id.as_uuid(),
        id.as_uuid(),
        policy.as_str(),
        naming.name.as_str(),
        naming.description.as_str(),
        serde_json::json!(naming.labels)
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Asks for one more reboot of an instance that is wanted to run. False where there is none such.
pub async fn instance_reboot(conn: &mut Conn, project_id: ProjectId, id: InstanceId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"WITH changed AS (
               UPDATE instance SET reboots = generation + 1, generation = generation + 1
               WHERE project_id = $1 AND id = $2 AND power = 'running' AND lost_at IS NULL RETURNING id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM changed, instance_hosts(id) AS h
           )
           SELECT EXISTS (SELECT FROM changed) AS "found!""#,
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// Asks for an instance's removal. One without a host is gone at once; asking again is no error.
/// False where the project has no such instance.
pub async fn instance_delete(conn: &mut Conn, project_id: ProjectId, id: InstanceId) -> Result<bool> {
    let row = sqlx::query!(
        r#"WITH known AS (
               SELECT id FROM instance WHERE project_id = $1 AND id = $2 FOR UPDATE
           ), changed AS (
               UPDATE instance i SET power = 'deleted', generation = generation + 1 FROM known
               WHERE i.id = known.id AND i.power <> 'deleted' RETURNING i.id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM changed, instance_hosts(id) AS h
           )
           SELECT EXISTS (SELECT FROM known) AS "found!",
                  EXISTS (SELECT FROM known WHERE NOT EXISTS (SELECT FROM instance_hosts(known.id))) AS "homeless!""#,
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_one(&mut *conn)
    .await?;
    if row.homeless {
        instance_finish_delete(conn, &[id.as_uuid()]).await?;
    }
    Ok(row.found)
}

/// The instances are proved to be gone from their hosts (or never had one): gives back addresses,
/// ports and capacity, tells the hosts, and lets instances that wait for room be tried again.
/// Instances that are not wanted deleted, or are finished already, are left alone. The caller has locked their rows by a
/// statement before, so that this one sees where they are.
pub async fn instance_finish_delete(conn: &mut Conn, ids: &[Uuid]) -> Result<()> {
    sqlx::query!(
        r#"WITH gone AS (
               DELETE FROM instance WHERE id = ANY($1) AND power = 'deleted' RETURNING *
           ), kept AS (
               INSERT INTO instance_history (id, project_id, name, description, hostname, labels, flavor_id, vcpus, memory_mib, disk_gib,
                      ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s, image_id, ssh_key_ids, generation, on_guest_shutdown,
                      created_at, updated_at)
               SELECT id, project_id, name, description, hostname, labels, flavor_id, vcpus, memory_mib, disk_gib,
                      ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s, image_id, ssh_key_ids, generation, on_guest_shutdown,
                      created_at, updated_at FROM gone
           ), freed AS (
               DELETE FROM instance_host w USING gone WHERE w.instance_id = gone.id RETURNING gone.id, w.host_id
           ), pulled AS (
               DELETE FROM port_host b USING port p, gone WHERE p.instance_id = gone.id AND b.port_id = p.id
               RETURNING b.port_id, b.network_id, b.host_id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id, network_id, refs)
               SELECT 'instance', id, host_id, NULL::uuid, '{}'::uuid[] FROM freed
               UNION ALL SELECT 'port', port_id, host_id, network_id,
                                ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = pulled.port_id) FROM pulled
           ), unplugged AS (
               UPDATE port p SET instance_id = NULL, generation = p.generation + 1
               FROM gone WHERE p.instance_id = gone.id AND p.standalone
           ), removed AS (
               DELETE FROM port p USING gone WHERE p.instance_id = gone.id AND NOT p.standalone
           )
           UPDATE instance SET placement_after = now()
           WHERE power = 'running' AND fault IS NULL AND placement_after > now() AND EXISTS (SELECT FROM freed)"#,
        ids
    )
    .execute(&mut *conn)
    .await?;
    crate::action::actions_settle(conn, ids).await
}
