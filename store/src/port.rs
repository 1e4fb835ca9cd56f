//! Ports and their addresses.
//!
//! An address is given out by the primary key of `ip_allocation`: a handful of random candidates of
//! the pool is offered to one statement, which takes the first that is free and gives way where
//! another transaction is just taking it. Nobody waits for a lock on the network, so that ports of
//! one network are made side by side. Only when the random tries miss (the pool is nearly full) the
//! exact search takes turns under a lock and finds the last free address.

mod security;

pub use security::{PortChange, port_lock, port_update};

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::page::{Filter, Page, PageQuery};
use crate::subnet::Pool;
use ipnetwork::IpNetwork;
use iroko_model::address::tap_name;
use iroko_model::port::{AddressPair, PortLimits};
use iroko_model::reason::Reason;
use iroko_model::subnet::{AddressPool, from_number, to_number};
use iroko_model::{InstanceId, MacAddress, Naming, NetworkId, PortId, ProjectId, QosPolicyId};
use mac_address::MacAddress as SqlMac;
use rand::Rng;
use serde::Deserialize;
use serde_json::Value;
use sqlx::types::Json;
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// Addresses offered to one statement.
const CANDIDATES: usize = 4;
/// Statements before the exact search.
const RANDOM_TRIES: usize = 4;
/// Turns of the exact search: each loses only against an address taken in between.
const EXACT_TRIES: usize = 64;
/// Tries for a MAC address; two of 2^40 meet about never.
const MAC_TRIES: usize = 8;

/// An address of a port.
#[derive(Debug, Clone, Deserialize)]
pub struct PortAddress {
    /// The address.
    pub address: IpAddr,
    /// Its subnet.
    pub subnet_id: Uuid,
}

/// A port.
#[derive(Debug, Clone)]
pub struct Port {
    /// The port.
    pub id: Uuid,
    /// Name; empty for ports made with an instance.
    pub name: String,
    /// Its project.
    pub project_id: Uuid,
    /// What it is for.
    pub description: String,
    /// Its network.
    pub network_id: Uuid,
    /// The instance it is plugged into.
    pub instance_id: Option<Uuid>,
    /// Outlives its instance.
    pub standalone: bool,
    /// Ethernet address.
    pub mac: SqlMac,
    /// IP addresses.
    pub addresses: Json<Vec<PortAddress>>,
    /// The groups it is in.
    pub security_group_ids: Vec<Uuid>,
    /// Its addresses and its groups are enforced.
    pub port_security_enabled: bool,
    /// Further addresses it may use.
    pub allowed_address_pairs: Json<Vec<AddressPair>>,
    /// Its policy.
    pub qos_policy_id: Option<Uuid>,
    /// How much it may carry: the smaller of its policy's and its instance's.
    pub limits: Json<PortLimits>,
    /// Grows with each change.
    pub generation: i64,
    /// A host was chosen for its instance.
    pub bound: bool,
    /// What the net-agent last saw, if anything.
    pub observed_state: Option<String>,
    /// Why.
    pub observed_reason: Option<Json<Reason>>,
    /// Labels.
    pub labels: Value,
    /// The generation that its host has carried out.
    pub observed_generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// A port that stands alone, to be made.
#[derive(Debug)]
pub struct NewPort<'a> {
    /// Its id.
    pub id: PortId,
    /// Owner; must own the network too.
    pub project_id: ProjectId,
    /// Its network.
    pub network_id: NetworkId,
    /// What people write on it.
    pub naming: &'a Naming,
    /// Groups of the project that it is in.
    pub security_group_ids: &'a [Uuid],
    /// Further addresses it may use.
    pub allowed_address_pairs: &'a [AddressPair],
    /// A policy of the project.
    pub qos_policy_id: Option<QosPolicyId>,
    /// The addresses and the Ethernet address that it asks for.
    pub fixed: &'a Fixed,
}

/// Addresses that a port asks for, instead of any that are free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fixed {
    /// IP addresses, each with its subnet; at most one of each family.
    pub addresses: Vec<(Uuid, IpAddr)>,
    /// Ethernet address.
    pub mac: Option<MacAddress>,
}

impl Fixed {
    /// The address asked for of a family.
    pub fn of_family(&self, is_ipv4: bool) -> Option<(Uuid, IpAddr)> {
        self.addresses.iter().find(|(_, address)| address.is_ipv4() == is_ipv4).copied()
    }
}

/// Makes a port with one address of each address family that `subnets` (of its network) offer.
/// Returns the MAC and IP addresses. [`Error::Exhausted`] where a family's pools are all full, [`Error::AddressTaken`] and
/// [`Error::MacTaken`] where another port of the network has what is asked for.
pub async fn port_insert(
    conn: &mut Conn,
    new: &NewPort<'_>,
    subnets: &[Pool],
) -> Result<(MacAddress, Vec<PortAddress>)> {
    let mac = insert_row(conn, new).await?;
    let mut addresses = Vec::with_capacity(2);
    for is_ipv4 in [true, false] {
        if let Some((subnet_id, address)) = new.fixed.of_family(is_ipv4) {
            if !take(&mut *conn, new.network_id, new.id, subnet_id, address.into()).await? {
                return Err(Error::AddressTaken(address));
            }
            addresses.push(PortAddress { address, subnet_id });
        } else if let Some(address) = allocate_family(conn, new.network_id, new.id, subnets, is_ipv4).await? {
            addresses.push(address);
        }
    }
    Ok((mac, addresses))
}

/// An address of one family, from the first of its subnets that has one; `None` where the network
/// has no subnet of the family.
pub(crate) async fn allocate_family(
    conn: &mut Conn,
    network_id: NetworkId,
    port_id: PortId,
    subnets: &[Pool],
    is_ipv4: bool,
) -> Result<Option<PortAddress>> {
    let mut offered = false;
    for subnet in subnets {
        if subnet.cidr.is_ipv4() != is_ipv4 {
            continue;
        }
        offered = true;
        if let Some(address) = allocate(conn, network_id, port_id, subnet).await? {
            return Ok(Some(PortAddress { address, subnet_id: subnet.id }));
        }
    }
    if offered { Err(Error::Exhausted("addresses")) } else { Ok(None) }
}

async fn insert_row(conn: &mut Conn, new: &NewPort<'_>) -> Result<MacAddress> {
    for _ in 0..MAC_TRIES {
        let mac = new.fixed.mac.unwrap_or_else(|| MacAddress::local(rand::rng().random()));
        let made = sqlx::query_scalar!(
            r#"WITH p AS (
                   INSERT INTO port (id, project_id, network_id, name, labels, standalone, mac, tap, allowed_address_pairs, qos_policy_id, description)
                   VALUES ($1, $2, $3, $4, $5, true, $6, $7, $8, $10, $11) ON CONFLICT (network_id, mac) DO NOTHING RETURNING id, project_id
               ), member AS (
                   INSERT INTO port_security_group (project_id, port_id, security_group_id)
                   SELECT p.project_id, p.id, g FROM p, unnest($9::uuid[]) AS g
               )
               SELECT EXISTS (SELECT FROM p) AS "made!""#,
            new.id.as_uuid(),
            new.project_id.as_uuid(),
            new.network_id.as_uuid(),
            new.naming.name.as_str(),
            serde_json::json!(new.naming.labels),
            SqlMac::new(mac.octets()) as SqlMac,
            tap_name(new.id),
            serde_json::json!(new.allowed_address_pairs),
            new.security_group_ids,
            new.qos_policy_id.map(|id| id.as_uuid()),
            new.naming.description.as_str()
        )
        .fetch_one(&mut *conn)
        .await?;
        match new.fixed.mac {
            _ if made => return Ok(mac),
            Some(asked) => return Err(Error::MacTaken(asked)),
            None => {}
        }
    }
    Err(Error::Exhausted("MAC addresses"))
}

async fn allocate(conn: &mut Conn, network_id: NetworkId, port_id: PortId, subnet: &Pool) -> Result<Option<IpAddr>> {
    for _ in 0..RANDOM_TRIES {
        let taken = sqlx::query_scalar!(
            r#"INSERT INTO ip_allocation (network_id, address, subnet_id, port_id)
               SELECT $1, c, $2, $3 FROM unnest($4::inet[]) WITH ORDINALITY AS t (c, n)
               WHERE NOT EXISTS (SELECT FROM ip_allocation a WHERE a.network_id = $1 AND a.address = c)
               ORDER BY n LIMIT 1 ON CONFLICT DO NOTHING RETURNING address"#,
            network_id.as_uuid(),
            subnet.id,
            port_id.as_uuid(),
            &candidates(subnet)
        )
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(address) = taken {
            return Ok(Some(address.ip()));
        }
    }
    allocate_exact(conn, network_id, port_id, subnet).await
}

/// Random addresses of the pools, without gateway and service.
pub(crate) fn candidates(subnet: &Pool) -> Vec<IpNetwork> {
    let sizes = subnet.pools.iter().map(|pool| to_number(pool.last) - to_number(pool.first) + 1);
    let total: u128 = sizes.clone().sum();
    let mut rng = rand::rng();
    let mut any = || {
        let mut number = rng.random_range(0..total);
        for (pool, size) in subnet.pools.iter().zip(sizes.clone()) {
            if number < size {
                return Some(from_number(to_number(pool.first) + number, subnet.cidr.is_ipv4()));
            }
            number -= size;
        }
        None
    };
    let random = std::iter::repeat_with(|| if total == 0 { None } else { any() });
    let ours = subnet.kept();
    random.take(CANDIDATES).flatten().map(IpNetwork::from).filter(|address| !ours.contains(address)).collect()
}

/// The lowest free address, found and taken under the subnet's lock.
async fn allocate_exact(
    conn: &mut Conn,
    network_id: NetworkId,
    port_id: PortId,
    subnet: &Pool,
) -> Result<Option<IpAddr>> {
    sqlx::query!("SELECT id FROM subnet WHERE id = $1 FOR NO KEY UPDATE", subnet.id).fetch_optional(&mut *conn).await?;
    for pool in &subnet.pools {
        if let Some(found) = allocate_lowest(&mut *conn, network_id, port_id, subnet, pool).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn allocate_lowest(
    conn: &mut Conn,
    network_id: NetworkId,
    port_id: PortId,
    subnet: &Pool,
    pool: &AddressPool,
) -> Result<Option<IpAddr>> {
    for _ in 0..EXACT_TRIES {
        let free = sqlx::query_scalar!(
            r#"SELECT min(c) AS "free?: IpNetwork" FROM (
                   SELECT $2::inet AS c UNION ALL SELECT kept + 1 FROM unnest($4::inet[]) AS kept
                   UNION ALL SELECT address + 1 FROM ip_allocation WHERE network_id = $1 AND address BETWEEN $2 AND $3
               ) AS t WHERE c BETWEEN $2 AND $3 AND c <> ALL ($4)
               AND NOT EXISTS (SELECT FROM ip_allocation a WHERE a.network_id = $1 AND a.address = c)"#,
            network_id.as_uuid(),
            IpNetwork::from(pool.first),
            IpNetwork::from(pool.last),
            &subnet.kept()
        )
        .fetch_one(&mut *conn)
        .await?;
        let Some(free) = free else { return Ok(None) };
        if take(&mut *conn, network_id, port_id, subnet.id, free).await? {
            return Ok(Some(free.ip()));
        }
    }
    Ok(None)
}

/// Takes an address; false where another port has it.
async fn take(conn: &mut Conn, network: NetworkId, port: PortId, subnet: Uuid, address: IpNetwork) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO ip_allocation (network_id, address, subnet_id, port_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        network.as_uuid(),
        address,
        subnet,
        port.as_uuid()
    );
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// One port of the project.
pub async fn port_get(conn: &mut Conn, project_id: ProjectId, id: PortId) -> Result<Option<Port>> {
    Ok(sqlx::query_as!(
        Port,
        r#"SELECT p.id, p.name, p.description, p.project_id, p.network_id, p.instance_id, p.standalone, p.mac, p.labels,
                  p.created_at, p.updated_at, coalesce(b.generation, 0) AS "observed_generation!",
                  b.state AS "observed_state?", b.reason AS "observed_reason?: Json<Reason>", p.generation, p.port_security_enabled,
                  p.allowed_address_pairs AS "allowed_address_pairs: Json<Vec<AddressPair>>",
                  ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = p.id ORDER BY 1) AS "security_group_ids!",
                  (b.host_id IS NOT NULL) AS "bound!", p.qos_policy_id,
                  port_limits(least(i.ingress_kbit_s, q.ingress_kbit_s), least(i.egress_kbit_s, q.egress_kbit_s),
                              least(i.ingress_packets_s, q.ingress_packets_s), least(i.egress_packets_s, q.egress_packets_s)) AS "limits!: Json<PortLimits>",
                  (SELECT coalesce(json_agg(json_build_object('address', host(a.address), 'subnet_id', a.subnet_id)
                          ORDER BY family(a.address)), '[]') FROM ip_allocation a WHERE a.port_id = p.id)
                      AS "addresses!: Json<Vec<PortAddress>>"
           FROM port p LEFT JOIN port_host b ON b.port_id = p.id AND b.role = 'home'
           LEFT JOIN instance i ON i.id = p.instance_id LEFT JOIN qos_policy q ON q.id = p.qos_policy_id
           WHERE p.project_id = $1 AND p.id = $2"#,
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// Which ports of a list are wanted.
#[derive(Debug, Clone, Default)]
pub struct PortFilter {
    /// Name and labels.
    pub common: Filter,
    /// Only of this network.
    pub network_id: Option<NetworkId>,
    /// Only of this machine.
    pub instance_id: Option<InstanceId>,
}

/// A page of the project's ports.
pub async fn port_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &PortFilter,
) -> Result<Page<Port>> {
    let rows = sqlx::query_as!(
        Port,
        r#"SELECT p.id, p.name, p.description, p.project_id, p.network_id, p.instance_id, p.standalone, p.mac, p.labels,
                  p.created_at, p.updated_at, coalesce(b.generation, 0) AS "observed_generation!",
                  b.state AS "observed_state?", b.reason AS "observed_reason?: Json<Reason>", p.generation, p.port_security_enabled,
                  p.allowed_address_pairs AS "allowed_address_pairs: Json<Vec<AddressPair>>",
                  ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = p.id ORDER BY 1) AS "security_group_ids!",
                  (b.host_id IS NOT NULL) AS "bound!", p.qos_policy_id,
                  port_limits(least(i.ingress_kbit_s, q.ingress_kbit_s), least(i.egress_kbit_s, q.egress_kbit_s),
                              least(i.ingress_packets_s, q.ingress_packets_s), least(i.egress_packets_s, q.egress_packets_s)) AS "limits!: Json<PortLimits>",
                  (SELECT coalesce(json_agg(json_build_object('address', host(a.address), 'subnet_id', a.subnet_id)
                          ORDER BY family(a.address)), '[]') FROM ip_allocation a WHERE a.port_id = p.id)
                      AS "addresses!: Json<Vec<PortAddress>>"
           FROM (SELECT * FROM port WHERE project_id = $1 AND id > coalesce($2, '00000000-0000-0000-0000-000000000000'::uuid)
                    AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
                    AND ($6::uuid IS NULL OR network_id = $6) AND ($7::uuid IS NULL OR instance_id = $7) ORDER BY id LIMIT $3 + 1) p
           LEFT JOIN LATERAL (SELECT * FROM port_host WHERE port_id = p.id AND role = 'home' LIMIT 1) b ON true
           LEFT JOIN LATERAL (SELECT * FROM instance WHERE id = p.instance_id LIMIT 1) i ON true
           LEFT JOIN LATERAL (SELECT * FROM qos_policy WHERE id = p.qos_policy_id LIMIT 1) q ON true
           ORDER BY p.id"#,
        project_id.as_uuid(),
        page.after,
        page.limit,
        filter.common.name.as_deref(),
        filter.common.labels,
        filter.network_id.map(|id| id.as_uuid()),
        filter.instance_id.map(|id| id.as_uuid())
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Plugs a port that stands alone into an instance being made. False where there is no such port in
/// the project, or it is plugged in already.
pub async fn port_attach(
    conn: &mut Conn,
    project_id: ProjectId,
    id: PortId,
    instance: InstanceId,
    index: i32,
) -> Result<bool> {
    let done = sqlx::query!(
        "UPDATE port SET instance_id = $3, nic_index = $4, generation = generation + 1
         WHERE project_id = $1 AND id = $2 AND standalone AND instance_id IS NULL",
        project_id.as_uuid(),
        id.as_uuid(),
        instance.as_uuid(),
        index
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortDeletion {
    /// It is gone and its addresses are free.
    Deleted,
    /// There was none.
    NotFound,
    /// An instance uses it.
    InUse,
    /// An instance that is being deleted uses it still.
    Leaving,
}

/// Who uses a port that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortUse {
    /// Nobody.
    Free,
    /// This machine.
    By(Uuid),
    /// An instance that is being deleted, until it is gone.
    Leaving,
}

/// Who uses a port that stands alone; `None` where the project has none such.
pub async fn port_use(conn: &mut Conn, project_id: ProjectId, id: PortId) -> Result<Option<PortUse>> {
    let row = sqlx::query!(
        r#"SELECT p.instance_id, coalesce(i.power = 'deleted', false) AS "is_leaving!" FROM port p LEFT JOIN instance i ON i.id = p.instance_id
           WHERE p.project_id = $1 AND p.id = $2 AND p.standalone"#,
        project_id.as_uuid(),
        id.as_uuid()
    );
    Ok(row.fetch_optional(conn).await?.map(|row| match row.instance_id {
        None => PortUse::Free,
        Some(_) if row.is_leaving => PortUse::Leaving,
        Some(id) => PortUse::By(id),
    }))
}

/// Deletes a port that no instance uses.
pub async fn port_delete(conn: &mut Conn, project_id: ProjectId, id: PortId) -> Result<PortDeletion> {
    let done = sqlx::query!(
        "DELETE FROM port WHERE project_id = $1 AND id = $2 AND instance_id IS NULL",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(PortDeletion::Deleted);
    }
    Ok(match port_use(conn, project_id, id).await? {
        Some(PortUse::Leaving) => PortDeletion::Leaving,
        Some(_) => PortDeletion::InUse,
        None if port_get(conn, project_id, id).await?.is_some() => PortDeletion::InUse,
        None => PortDeletion::NotFound,
    })
}
