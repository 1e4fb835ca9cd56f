//! Making an instance in two statements: one reads everything it is made of, one makes the instance, its
//! ports and their addresses. A tenant who asks for a thousand pays for two thousand statements.

use super::{Instance, Interface, NewInstance};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::flavor::{Size, limit_column};
use crate::noun::Common;
use crate::port::{self, Fixed, PortAddress};
use crate::subnet::Pool;
use ipnetwork::IpNetwork;
use iroko_model::address::tap_name;
use iroko_model::port::PortLimits;
use iroko_model::subnet::AddressPool;
use iroko_model::{FlavorId, ImageId, MacAddress, NetworkId, PortId, ProjectId};
use mac_address::MacAddress as SqlMac;
use serde::Deserialize;
use sqlx::types::Json;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// What an instance is to be made of, as a project has it.
#[derive(Debug)]
pub struct Parts {
    /// What the flavor gives.
    pub size: Option<Size>,
    /// The image; it cannot be deleted until the transaction ends.
    pub image: Option<PartImage>,
    /// A line for each key asked for, in that order.
    pub ssh_keys: Vec<Option<String>>,
    /// Some quota is set that an instance could exceed.
    pub is_limited: bool,
    /// Networks with their subnets, by age. A network without subnets appears with none.
    pub networks: HashMap<Uuid, Vec<Pool>>,
    /// Those of the security groups asked for that the project has.
    pub security_groups: Vec<Uuid>,
    /// Those of the QoS policies asked for that the project has.
    pub qos_policies: Vec<Uuid>,
    /// The group of ports that name none.
    pub default_group: Option<Uuid>,
}

/// Of an image, what an instance needs.
#[derive(Debug)]
pub struct PartImage {
    /// `queued`, `uploading` or `active`.
    pub status: String,
    /// Processor architecture.
    pub architecture: String,
    /// Size of the disk the guest sees, once known.
    pub virtual_size_bytes: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct SubnetRow {
    network_id: Uuid,
    id: Option<Uuid>,
    cidr: Option<IpNetwork>,
    gateway: Option<IpNetwork>,
    service: Option<IpNetwork>,
    pools: Option<Vec<AddressPool>>,
}

/// Reads what an instance is to be made of.
pub async fn instance_parts(
    conn: &mut Conn,
    project_id: ProjectId,
    (flavor, image): (FlavorId, ImageId),
    ssh_keys: &[Uuid],
    networks: &[Uuid],
    security_groups: &[Uuid],
    qos_policies: &[Uuid],
) -> Result<Parts> {
    let row = sqlx::query!(
        r#"WITH m AS (
               SELECT status, architecture, virtual_size_bytes FROM image WHERE project_id = $1 AND id = $3 FOR KEY SHARE
           )
           SELECT f.vcpus AS "vcpus?", f.memory_mib AS "memory_mib?", f.disk_gib AS "disk_gib?",
                  port_limits(f.ingress_kbit_s, f.egress_kbit_s, f.ingress_packets_s, f.egress_packets_s) AS "limits!: Json<PortLimits>",
                  m.status AS "status?", m.architecture AS "architecture?", m.virtual_size_bytes AS "virtual_size_bytes?",
                  quota_is_set() AS "is_limited!",
                  ARRAY(SELECT g.id FROM security_group g WHERE g.project_id = $1 AND g.id = ANY ($6)) AS "security_groups!",
                  ARRAY(SELECT q.id FROM qos_policy q WHERE q.project_id = $1 AND q.id = ANY ($7)) AS "qos_policies!",
                  (SELECT g.id FROM security_group g WHERE g.project_id = $1 AND g.is_default) AS default_group,
                  ARRAY(SELECT k.public_key FROM unnest($4::uuid[]) WITH ORDINALITY AS a (id, n)
                        LEFT JOIN ssh_key k ON k.id = a.id AND k.project_id = $1 ORDER BY a.n) AS "ssh_keys!: Vec<Option<String>>",
                  (SELECT coalesce(json_agg(json_build_object('network_id', n.id, 'id', s.id, 'cidr', s.cidr, 'gateway', s.gateway,
                          'service', s.service, 'pools', s.pools) ORDER BY s.id), '[]')
                   FROM network n LEFT JOIN subnet s ON s.network_id = n.id
                   WHERE n.id = ANY($5) AND n.project_id = $1) AS "networks!: Json<Vec<SubnetRow>>"
           FROM (VALUES (1)) AS one LEFT JOIN flavor f ON f.id = $2 LEFT JOIN m ON true"#,
        project_id.as_uuid(),
        flavor.as_uuid(),
        image.as_uuid(),
        ssh_keys,
        networks,
        security_groups,
        qos_policies
    )
    .fetch_one(conn)
    .await?;
    let size = match (row.vcpus, row.memory_mib, row.disk_gib) {
        (Some(vcpus), Some(memory_mib), Some(disk_gib)) => {
            Some(Size { vcpus, memory_mib, disk_gib, limits: row.limits.0 })
        }
        _ => None,
    };
    let image = row.status.zip(row.architecture).map(|(status, architecture)| PartImage {
        status,
        architecture,
        virtual_size_bytes: row.virtual_size_bytes,
    });
    let mut networks: HashMap<Uuid, Vec<Pool>> = HashMap::new();
    for row in row.networks.0 {
        let subnets = networks.entry(row.network_id).or_default();
        subnets.extend(pool(row));
    }
    let (security_groups, default_group) = (row.security_groups, row.default_group);
    Ok(Parts {
        size,
        image,
        ssh_keys: row.ssh_keys,
        is_limited: row.is_limited,
        networks,
        security_groups,
        qos_policies: row.qos_policies,
        default_group,
    })
}

/// `None`: the network has no subnet.
fn pool(row: SubnetRow) -> Option<Pool> {
    Some(Pool { id: row.id?, cidr: row.cidr?, gateway: row.gateway, service: row.service?, pools: row.pools? })
}

/// A port to be made with an instance.
#[derive(Debug)]
pub struct NewNic<'a> {
    /// Its network.
    pub network_id: NetworkId,
    /// Its place in the instance.
    pub index: i32,
    /// The network's subnets.
    pub subnets: &'a [Pool],
    /// The groups it is in.
    pub security_groups: &'a [Uuid],
    /// A policy of the project.
    pub qos_policy: Option<Uuid>,
    /// The addresses that it asks for.
    pub fixed: Fixed,
}

/// Columns of the ports and of the addresses offered to them, for one statement.
#[derive(Debug, Default)]
struct Columns {
    ports: Vec<Uuid>,
    networks: Vec<Uuid>,
    indices: Vec<i32>,
    macs: Vec<SqlMac>,
    taps: Vec<String>,
    policies: Vec<Option<Uuid>>,
    for_port: Vec<Uuid>,
    in_network: Vec<Uuid>,
    in_subnet: Vec<Uuid>,
    offered: Vec<IpNetwork>,
    member: Vec<Uuid>,
    of_group: Vec<Uuid>,
}

impl Columns {
    fn of(nics: &[NewNic<'_>]) -> Self {
        let mut columns = Self::default();
        for nic in nics {
            let id = PortId::new();
            columns.ports.push(id.as_uuid());
            columns.networks.push(nic.network_id.as_uuid());
            columns.indices.push(nic.index);
            let mac = nic.fixed.mac.unwrap_or_else(|| MacAddress::local(rand::random()));
            columns.macs.push(SqlMac::new(mac.octets()));
            columns.taps.push(tap_name(id));
            columns.policies.push(nic.qos_policy);
            for group in nic.security_groups {
                columns.member.push(id.as_uuid());
                columns.of_group.push(*group);
            }
            for is_ipv4 in [true, false] {
                if let Some((subnet, address)) = nic.fixed.of_family(is_ipv4) {
                    columns.offer(id, nic.network_id, subnet, address.into());
                } else if let Some(subnet) = nic.subnets.iter().find(|s| s.cidr.is_ipv4() == is_ipv4) {
                    let offered = port::candidates(subnet).into_iter();
                    offered.for_each(|address| columns.offer(id, nic.network_id, subnet.id, address));
                }
            }
        }
        columns
    }

    /// Offers a port an address.
    fn offer(&mut self, port: PortId, network: NetworkId, subnet: Uuid, address: IpNetwork) {
        self.for_port.push(port.as_uuid());
        self.in_network.push(network.as_uuid());
        self.in_subnet.push(subnet);
        self.offered.push(address);
    }
}

#[derive(Debug, Deserialize)]
struct Addressed {
    port_id: Uuid,
    subnet_id: Uuid,
    address: std::net::IpAddr,
}

/// Makes an instance that is wanted to run and has no host yet, with its ports, each with one address of
/// each address family that its network's subnets offer. Returns it as it is read back.
/// [`Error::Exhausted`] where a family's pools are all full; [`Error::AddressTaken`] where another port has an address that
/// is asked for; [`Error::Taken`] where another port of the network has the MAC address that is asked for, or a random one
/// (two of 2^40 meet about never).
pub async fn instance_make(conn: &mut Conn, new: &NewInstance<'_>, nics: &[NewNic<'_>]) -> Result<Instance> {
    let columns = Columns::of(nics);
    let row = sqlx::query!(
        r#"WITH made AS (
               INSERT INTO instance (id, project_id, name, hostname, labels, flavor_id, vcpus, memory_mib, disk_gib,
                                     image_id, architecture, ssh_keys, user_data, power,
                                     ingress_kbit_s, egress_kbit_s, ingress_packets_s, egress_packets_s,
                                     user_data_is_base64, on_guest_shutdown, description, ssh_key_ids)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'running', $25, $26, $27, $28, $30, $31, $32, $33) RETURNING created_at
           ), plugged AS (
               INSERT INTO port (id, project_id, network_id, instance_id, nic_index, mac, tap, qos_policy_id)
               SELECT p.id, $2, p.network_id, $1, p.nic_index, p.mac, p.tap, p.policy
               FROM unnest($14::uuid[], $15::uuid[], $16::int[], $17::macaddr[], $18::text[], $29::uuid[])
                   AS p (id, network_id, nic_index, mac, tap, policy)
           ), grouped AS (
               INSERT INTO port_security_group (project_id, port_id, security_group_id)
               SELECT $2, g.port_id, g.security_group_id FROM unnest($23::uuid[], $24::uuid[]) AS g (port_id, security_group_id)
           ), addressed AS (
               INSERT INTO ip_allocation (network_id, address, subnet_id, port_id)
               SELECT DISTINCT ON (c.port_id, c.subnet_id) c.network_id, c.address, c.subnet_id, c.port_id
               FROM unnest($19::uuid[], $20::uuid[], $21::uuid[], $22::inet[]) AS c (port_id, network_id, subnet_id, address)
               WHERE NOT EXISTS (SELECT FROM ip_allocation a WHERE a.network_id = c.network_id AND a.address = c.address)
               ORDER BY c.port_id, c.subnet_id ON CONFLICT DO NOTHING RETURNING port_id, subnet_id, address
           )
           SELECT made.created_at, (SELECT coalesce(json_agg(json_build_object('port_id', port_id, 'subnet_id', subnet_id,
                      'address', host(address))), '[]') FROM addressed) AS "addressed!: Json<Vec<Addressed>>" FROM made"#,
        new.id.as_uuid(),
        new.project_id.as_uuid(),
        new.naming.name.as_str(),
        new.hostname.as_str(),
        serde_json::json!(new.naming.labels),
        new.flavor_id.as_uuid(),
        new.size.vcpus,
        new.size.memory_mib,
        new.size.disk_gib,
        new.image_id.as_uuid(),
        new.architecture.as_str(),
        new.ssh_keys,
        new.user_data,
        &columns.ports,
        &columns.networks,
        &columns.indices,
        &columns.macs as &[SqlMac],
        &columns.taps,
        &columns.for_port,
        &columns.in_network,
        &columns.in_subnet,
        &columns.offered,
        &columns.member,
        &columns.of_group,
        limit_column(new.size.limits.ingress_kbit_s),
        limit_column(new.size.limits.egress_kbit_s),
        limit_column(new.size.limits.ingress_packets_s),
        limit_column(new.size.limits.egress_packets_s),
        &columns.policies as &[Option<Uuid>],
        new.user_data_is_base64,
        new.on_guest_shutdown.as_str(),
        new.naming.description.as_str(),
        new.ssh_key_ids
    )
    .fetch_one(&mut *conn)
    .await?;
    let mut interfaces = Vec::with_capacity(nics.len());
    for (nic, (id, mac)) in nics.iter().zip(columns.ports.iter().zip(&columns.macs)) {
        let got: Vec<&Addressed> = row.addressed.0.iter().filter(|a| a.port_id == *id).collect();
        let mut addresses = Vec::with_capacity(2);
        for is_ipv4 in [true, false] {
            match (got.iter().find(|a| a.address.is_ipv4() == is_ipv4), nic.fixed.of_family(is_ipv4)) {
                (Some(a), _) => addresses.push(PortAddress { address: a.address, subnet_id: a.subnet_id }),
                (None, Some((_, asked))) => return Err(Error::AddressTaken(asked)),
                // Every offered address was taken: the search that finds the last free one.
                (None, None) => addresses
                    .extend(port::allocate_family(conn, nic.network_id, (*id).into(), nic.subnets, is_ipv4).await?),
            }
        }
        let mac = MacAddress::from_octets(mac.bytes()).to_string();
        let (network_id, policy) = (nic.network_id.as_uuid(), nic.qos_policy);
        let mut groups = nic.security_groups.to_vec();
        groups.sort_unstable();
        interfaces.push(Interface { port_id: *id, network_id, mac, addresses, groups, policy });
    }
    Ok(as_made(new, row.created_at, interfaces))
}

fn as_made(new: &NewInstance<'_>, created_at: OffsetDateTime, interfaces: Vec<Interface>) -> Instance {
    Instance {
        common: Common {
            id: new.id,
            name: new.naming.name.as_str().to_owned(),
            description: new.naming.description.as_str().to_owned(),
            labels: new.naming.labels.clone().into(),
            generation: 1,
            created_at,
            updated_at: created_at,
        },
        project_id: new.project_id.as_uuid(),
        hostname: new.hostname.as_str().to_owned(),
        flavor_id: new.flavor_id.as_uuid(),
        vcpus: new.size.vcpus,
        memory_mib: new.size.memory_mib,
        disk_gib: new.size.disk_gib,
        limits: Json(new.size.limits),
        image_id: new.image_id.as_uuid(),
        ssh_key_ids: new.ssh_key_ids.to_vec(),
        power: "running".to_owned(),
        reboots: 0,
        host_id: None,
        placement_reason: None,
        fault: None,
        observed_state: None,
        observed_reason: None,
        observed_reboots: 0,
        ran_at: None,
        observed_generation: 0,
        deleted_at: None,
        on_guest_shutdown: new.on_guest_shutdown.as_str().to_owned(),
        guest_shutdown_at: None,
        host_unreachable: false,
        suspended: false,
        interfaces: Json(interfaces),
    }
}
