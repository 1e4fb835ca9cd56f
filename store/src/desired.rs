//! What is desired, in the agents' own types: of changed objects, and of a whole host.

mod network;
mod security_group;

pub use network::{hosts_with_ports, network_needs, ports_of_host};
pub use security_group::{HostNeed, address_set_specs, member_specs, needs, security_group_specs};

use crate::conn::Conn;
use crate::connection_log;
use crate::error::{Error, Result};
use crate::number::unsigned;
use ipnetwork::IpNetwork;
use iroko_agent_wire::{
    ImageSpec, InstanceSpec, NetworkSpec, NicAddress, NicSpec, OperationKind, OperationSpec, PeerSpec, PortSpec,
    SubnetSpec,
};
use iroko_model::port::{AddressPair, PortLimits};
use iroko_model::{HostId, Hostname, MacAddress, Resources, Vni};
use mac_address::MacAddress as SqlMac;
use serde::Deserialize;
use serde_json::Value;
use sqlx::types::Json;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Which instances to read.
#[derive(Debug, Clone, Copy)]
pub enum Instances<'a> {
    /// These.
    Ids(&'a [Uuid]),
    /// All of a host.
    OfHost(HostId),
}

/// Which ports to read.
#[derive(Debug, Clone, Copy)]
pub enum Ports<'a> {
    /// These.
    Ids(&'a [Uuid]),
    /// All of these networks.
    OfNetworks(&'a [Uuid]),
}

#[derive(Debug, Deserialize)]
struct NicRow {
    port_id: Uuid,
    network_id: Uuid,
    tap: String,
    mac: String,
    mtu: u32,
    addresses: Vec<NicAddressRow>,
}

#[derive(Debug, Deserialize)]
struct NicAddressRow {
    address: IpAddr,
    prefix: u8,
    service: IpAddr,
}

/// Instances that have a host, each with that host.
pub async fn instance_specs(conn: &mut Conn, which: Instances<'_>) -> Result<Vec<(HostId, Arc<InstanceSpec>)>> {
    let (ids, host) = match which {
        Instances::Ids(ids) => (Some(ids), None),
        Instances::OfHost(host) => (None, Some(host.as_uuid())),
    };
    let rows = sqlx::query!(
        r#"SELECT i.id, w.host_id, i.generation,
                  CASE WHEN i.power = 'running' AND project_is_suspended(i.project_id) THEN 'stopped' ELSE i.power END AS "power!", i.reboots, i.hostname, i.vcpus, i.memory_mib, i.disk_gib,
                  i.ssh_keys, i.user_data, i.user_data_is_base64, i.on_guest_shutdown, (w.ran_at IS NOT NULL) AS "has_run!", i.image_id, m.disk_format, m.sha256 AS "sha256!", m.size_bytes AS "size_bytes!",
                  m.virtual_size_bytes AS "virtual_size_bytes!",
                  (SELECT coalesce(json_agg(json_build_object('port_id', p.id, 'network_id', n.id, 'tap', p.tap, 'mac', p.mac, 'mtu', n.mtu,
                      'addresses', (SELECT coalesce(json_agg(json_build_object('address', host(a.address), 'prefix', masklen(s.cidr),
                              'service', host(s.service)) ORDER BY family(a.address)), '[]')
                          FROM ip_allocation a JOIN subnet s ON s.id = a.subnet_id WHERE a.port_id = p.id)) ORDER BY p.nic_index), '[]')
                   FROM port p JOIN network n ON n.id = p.network_id WHERE p.instance_id = i.id) AS "nics!: Json<Vec<NicRow>>"
           FROM instance_host w JOIN instance i ON i.id = w.instance_id JOIN image m ON m.id = i.image_id
           WHERE w.role = 'home' AND (w.instance_id = ANY($1) OR w.host_id = $2)"#,
        ids as Option<&[Uuid]>,
        host
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let spec = InstanceSpec {
                id: row.id.into(),
                generation: unsigned("generation", row.generation)?,
                power: row.power.parse().map_err(Error::corrupt("power"))?,
                operation: operation(row.reboots)?,
                hostname: Hostname::try_from(row.hostname).map_err(Error::corrupt("hostname"))?,
                resources: Resources {
                    vcpus: unsigned("vcpus", row.vcpus)?,
                    memory_mib: unsigned("memory_mib", row.memory_mib)?,
                    disk_gib: unsigned("disk_gib", row.disk_gib)?,
                },
                image: ImageSpec {
                    id: row.image_id.into(),
                    format: row.disk_format.parse().map_err(Error::corrupt("disk_format"))?,
                    sha256: row.sha256,
                    size_bytes: unsigned("size_bytes", row.size_bytes)?,
                    virtual_size_bytes: unsigned("virtual_size_bytes", row.virtual_size_bytes)?,
                },
                nics: row.nics.0.into_iter().map(nic).collect::<Result<_>>()?,
                ssh_keys: row.ssh_keys,
                user_data: row.user_data,
                user_data_is_base64: row.user_data_is_base64,
                has_run: row.has_run,
                on_guest_shutdown: row.on_guest_shutdown.parse().map_err(Error::corrupt("on_guest_shutdown"))?,
            };
            Ok((row.host_id.into(), Arc::new(spec)))
        })
        .collect()
}

/// The operation that was asked for last. Reboots are the only kind yet, so their count is its number.
fn operation(reboots: i64) -> Result<Option<OperationSpec>> {
    let number: u64 = unsigned("reboots", reboots)?;
    Ok((number > 0).then_some(OperationSpec { number, kind: OperationKind::Reboot }))
}

fn nic(row: NicRow) -> Result<NicSpec> {
    let address = |a: NicAddressRow| {
        // The network's own, which asks the subnet's in the guest's place.
        let dns_servers = vec![a.service];
        let address = IpNetwork::new(a.address, a.prefix).map_err(Error::corrupt("cidr"))?;
        // No router answers on the gateway yet: a default route to nowhere only makes guests wait.
        Ok(NicAddress { address, gateway: None, dns_servers })
    };
    Ok(NicSpec {
        port_id: row.port_id.into(),
        network_id: row.network_id.into(),
        tap: row.tap,
        mac: row.mac.parse().map_err(Error::corrupt("mac"))?,
        mtu: row.mtu,
        addresses: row.addresses.into_iter().map(address).collect::<Result<_>>()?,
    })
}

/// A port that is bound to a host: what its own host and what the others need to know.
#[derive(Debug, Clone)]
pub struct BoundPort {
    /// The host it is on.
    pub host_id: HostId,
    /// For its own host.
    pub port: Arc<PortSpec>,
    /// For the other hosts of its network; `None` while the host has not told its VXLAN end.
    pub peer: Option<Arc<PeerSpec>>,
}

/// Ports that are bound to a host.
pub async fn bound_ports(conn: &mut Conn, which: Ports<'_>) -> Result<Vec<BoundPort>> {
    let (ids, networks) = match which {
        Ports::Ids(ids) => (Some(ids), None),
        Ports::OfNetworks(networks) => (None, Some(networks)),
    };
    let rows = sqlx::query!(
        r#"SELECT p.id, p.network_id, p.instance_id AS "instance_id!", p.generation, p.tap, p.mac, i.hostname,
                  ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = p.id ORDER BY 1) AS "groups!",
                  p.port_security_enabled, p.allowed_address_pairs AS "allowed_address_pairs: Json<Vec<AddressPair>>",
                  port_limits(least(i.ingress_kbit_s, q.ingress_kbit_s), least(i.egress_kbit_s, q.egress_kbit_s),
                              least(i.ingress_packets_s, q.ingress_packets_s), least(i.egress_packets_s, q.egress_packets_s)) AS "limits!: Json<PortLimits>",
                  l.verdicts AS "log_verdicts?", l.records_per_second AS "log_rate?",
                  b.host_id, CASE WHEN b.role = 'home' THEN h.vtep END AS vtep, ARRAY(SELECT a.address FROM ip_allocation a WHERE a.port_id = p.id ORDER BY family(a.address)) AS "addresses!"
           FROM port_host b JOIN port p ON p.id = b.port_id JOIN instance i ON i.id = p.instance_id
           CROSS JOIN LATERAL (SELECT vtep FROM host WHERE id = b.host_id LIMIT 1) h
           LEFT JOIN qos_policy q ON q.id = p.qos_policy_id
           LEFT JOIN connection_log l ON l.port_id = p.id AND NOT l.ended
           WHERE b.port_id = ANY($1) OR b.network_id = ANY($2)"#,
        ids as Option<&[Uuid]>,
        networks as Option<&[Uuid]>
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let addresses: Vec<IpAddr> = row.addresses.iter().map(IpNetwork::ip).collect();
            let hostname = Hostname::try_from(row.hostname).map_err(Error::corrupt("hostname"))?;
            let mac = mac(row.mac);
            let allowed_address_pairs = row.allowed_address_pairs.0;
            let port = Arc::new(PortSpec {
                id: row.id.into(),
                network_id: row.network_id.into(),
                instance_id: row.instance_id.into(),
                generation: unsigned("generation", row.generation)?,
                tap: row.tap,
                mac,
                addresses: addresses.clone(),
                hostname: hostname.clone(),
                security_group_ids: Some(row.groups.into_iter().map(Into::into).collect()),
                is_secured: row.port_security_enabled,
                allowed_address_pairs: allowed_address_pairs.clone(),
                limits: row.limits.0,
                connection_log: connection_log::spec(row.log_verdicts, row.log_rate)?,
            });
            let host_id = HostId::from(row.host_id);
            let peer = row.vtep.map(|vtep| {
                let (port_id, network_id) = (row.id.into(), row.network_id.into());
                let vtep = vtep.ip();
                Arc::new(PeerSpec {
                    port_id,
                    network_id,
                    host_id,
                    vtep,
                    mac,
                    addresses,
                    hostname,
                    allowed_address_pairs,
                })
            });
            Ok(BoundPort { host_id, port, peer })
        })
        .collect()
}

fn mac(sql: SqlMac) -> MacAddress {
    MacAddress::from_octets(sql.bytes())
}

#[derive(Debug, Deserialize)]
struct SubnetRow {
    id: Uuid,
    cidr: IpNetwork,
    service: IpAddr,
    dns_servers: Vec<IpAddr>,
}

/// Networks with their subnets.
pub async fn network_specs(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Arc<NetworkSpec>>> {
    let rows = sqlx::query!(
        r#"SELECT n.id, n.generation, n.vni, n.mtu,
                  (SELECT coalesce(json_agg(json_build_object('id', s.id, 'cidr', s.cidr, 'service', host(s.service),
                          'dns_servers', ARRAY(SELECT host(d) FROM unnest(s.dns_servers) d)) ORDER BY s.id), '[]')
                   FROM subnet s WHERE s.network_id = n.id) AS "subnets!: Json<Value>"
           FROM network n WHERE n.id = ANY($1)"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let subnets: Vec<SubnetRow> = serde_json::from_value(row.subnets.0).map_err(Error::corrupt("subnets"))?;
            Ok(Arc::new(NetworkSpec {
                id: row.id.into(),
                generation: unsigned("generation", row.generation)?,
                vni: Vni::try_from(unsigned::<_, u32>("vni", row.vni)?).map_err(Error::corrupt("vni"))?,
                mtu: unsigned("mtu", row.mtu)?,
                domain: DOMAIN.to_owned(),
                subnets: subnets.into_iter().map(subnet).collect(),
            }))
        })
        .collect()
}

/// DNS domain of tenant networks: the one ICANN keeps free for private use.
const DOMAIN: &str = "internal";

fn subnet(row: SubnetRow) -> SubnetSpec {
    // As for interfaces: the gateway is told to guests once routers exist.
    SubnetSpec { id: row.id.into(), cidr: row.cidr, gateway: None, service: row.service, dns_servers: row.dns_servers }
}
