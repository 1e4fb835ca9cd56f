//! What must hold whenever nothing is under way: the database in itself, and the hosts beside it.
//!
//! Tests end with this, whatever they killed before. Each invariant is one function that says what it
//! found wrong in words; nothing found means all is well. What a constraint of the schema holds (unique
//! addresses, MAC addresses, taps and VNIs) is not repeated here.

mod security;

pub use security::GroupTraces;

use crate::conn::Conn;
use crate::error::Result;
use ipnetwork::IpNetwork;
use iroko_model::subnet::SubnetPlan;
use iroko_model::{HostId, InstanceId};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What is on a host, as the host itself says.
#[derive(Debug, Clone)]
pub struct HostTraces {
    /// The host.
    pub host_id: HostId,
    /// Domains, and whether each is active.
    pub domains: HashMap<InstanceId, bool>,
    /// Instances that hold anything on disk: a record, a disk, a seed, half-made files.
    pub disks: HashSet<InstanceId>,
    /// Taps by name.
    pub taps: HashSet<String>,
    /// VNIs of the networks that are there.
    pub networks: HashSet<u32>,
    /// What its net-agent holds of security groups, where that can be asked.
    pub groups: Option<GroupTraces>,
}

#[derive(Debug)]
struct InstanceRow {
    id: Uuid,
    power: String,
    generation: i64,
    host_id: Option<Uuid>,
    placement_reason: Option<String>,
    fault: Option<String>,
    observed_state: Option<String>,
    observed_generation: i64,
    ran: bool,
    waits: bool,
    rows: i64,
}

impl InstanceRow {
    fn is_placed_on(&self, host: HostId) -> bool {
        self.host_id == Some(host.as_uuid())
    }

    /// Its host has built it: a domain and a disk are there.
    fn is_built(&self) -> bool {
        self.host_id.is_some() && matches!(self.observed_state.as_deref(), Some("running" | "stopped"))
    }

    /// It ran and could not be started again: what is left of it is kept for its owner.
    fn may_be_kept(&self) -> bool {
        self.ran && self.observed_state.as_deref() == Some("failed")
    }
}

#[derive(Debug)]
struct PortRow {
    id: Uuid,
    tap: String,
    standalone: bool,
    generation: i64,
    observed_generation: i64,
    observed_state: Option<String>,
    instance_id: Option<Uuid>,
    host_id: Option<Uuid>,
    instance_host_id: Option<Uuid>,
    vni: i32,
}

#[derive(Debug)]
struct AddressRow {
    address: IpNetwork,
    same_network: bool,
    cidr: IpNetwork,
    gateway: Option<IpNetwork>,
    service: IpNetwork,
}

#[derive(Debug)]
struct HostRow {
    id: Uuid,
    name: String,
    vcpus: i64,
    memory_mib: i64,
    disk_gib: i64,
    vcpus_used: i64,
    memory_used: i64,
    disk_used: i64,
    placed: i64,
}

/// The whole database, as far as invariants speak of it.
#[derive(Debug)]
struct Seen {
    instances: Vec<InstanceRow>,
    ports: Vec<PortRow>,
    addresses: Vec<AddressRow>,
    hosts: Vec<HostRow>,
}

/// Everything that is wrong, in words; empty where all is well. Must be asked at rest: an instance that is just being
/// made is a violation too.
pub async fn violations(conn: &mut Conn, hosts: &[HostTraces]) -> Result<Vec<String>> {
    let seen = read(conn).await?;
    let mut found = Vec::new();
    every_machine_has_come_to_rest(&seen, &mut found);
    every_bound_port_is_plugged(&seen, &mut found);
    every_port_has_an_owner(&seen, &mut found);
    nobody_is_in_two_places(&seen, &mut found);
    ports_are_where_their_instance_is(&seen, &mut found);
    addresses_are_of_their_pool(&seen, &mut found);
    no_host_gives_more_than_it_has(&seen, &mut found);
    every_host_was_looked_at(&seen, hosts, &mut found);
    for host in hosts {
        every_machine_is_on_its_host(&seen, host, &mut found);
        nothing_else_is_on_the_host(&seen, host, &mut found);
        taps_are_those_of_bound_ports(&seen, host, &mut found);
        networks_are_those_of_bound_ports(&seen, host, &mut found);
    }
    security::hosts_know_what_they_need(conn, hosts, &mut found).await?;
    Ok(found)
}

async fn read(conn: &mut Conn) -> Result<Seen> {
    let instances = sqlx::query_as!(
        InstanceRow,
        r#"SELECT i.id, CASE WHEN i.power = 'running' AND project_is_suspended(i.project_id) THEN 'stopped' ELSE i.power END AS "power!",
                  i.generation, w.host_id AS "host_id?", i.placement_reason::text, i.fault::text, w.state AS "observed_state?",
                  coalesce(w.generation, 0) AS "observed_generation!", w.ran_at IS NOT NULL AS "ran!",
                  (i.placement_after IS NOT NULL) AS "waits!", (SELECT count(*) FROM instance_host a WHERE a.instance_id = i.id) AS "rows!"
           FROM instance i LEFT JOIN instance_host w ON w.instance_id = i.id AND w.role = 'home'"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let ports = sqlx::query_as!(
        PortRow,
        r#"SELECT p.id, p.tap, p.standalone, p.generation, coalesce(b.generation, 0) AS "observed_generation!",
                  b.state AS "observed_state?", p.instance_id,
                  b.host_id AS "host_id?", w.host_id AS "instance_host_id?", n.vni
           FROM port p JOIN network n ON n.id = p.network_id LEFT JOIN port_host b ON b.port_id = p.id AND b.role = 'home'
           LEFT JOIN instance_host w ON w.instance_id = p.instance_id AND w.role = 'home'"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let addresses = sqlx::query_as!(
        AddressRow,
        r#"SELECT a.address, (a.network_id = p.network_id AND s.network_id = p.network_id) AS "same_network!",
                  s.cidr::inet AS "cidr!", s.gateway, s.service
           FROM ip_allocation a JOIN port p ON p.id = a.port_id JOIN subnet s ON s.id = a.subnet_id"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let hosts = sqlx::query_as!(
        HostRow,
        r#"SELECT h.id, h.name, coalesce(h.vcpus, 0) AS "vcpus!", coalesce(h.memory_mib, 0) AS "memory_mib!",
                  coalesce(h.disk_gib, 0) AS "disk_gib!", coalesce(sum(w.vcpus), 0) AS "vcpus_used!",
                  coalesce(sum(w.memory_mib), 0) AS "memory_used!", coalesce(sum(w.disk_gib), 0) AS "disk_used!", count(w.instance_id) AS "placed!"
           FROM host h LEFT JOIN instance_host w ON w.host_id = h.id GROUP BY h.id"#
    )
    .fetch_all(conn)
    .await?;
    Ok(Seen { instances, ports, addresses, hosts })
}

/// Each instance is as wanted or says why not: nobody has forgotten it half-way.
fn every_machine_has_come_to_rest(seen: &Seen, found: &mut Vec<String>) {
    for row in &seen.instances {
        let rests = match (row.power.as_str(), row.host_id, row.observed_state.as_deref()) {
            ("deleted", ..) => false,
            (_, None, _) => row.power == "stopped" || row.placement_reason.is_some() || row.fault.is_some(),
            (_, Some(_), Some("failed")) => row.fault.is_some() || row.ran,
            (power, Some(_), Some(state)) => power == state && row.generation == row.observed_generation,
            (_, Some(_), None) => false,
        };
        if !rests {
            found.push(format!("instance {} is between states: {row:?}", row.id));
        }
    }
}

/// Each port of an instance with a host is reported ready, at its own generation.
fn every_bound_port_is_plugged(seen: &Seen, found: &mut Vec<String>) {
    let is_ready =
        |row: &PortRow| row.observed_state.as_deref() == Some("ready") && row.observed_generation == row.generation;
    for row in seen.ports.iter().filter(|row| row.host_id.is_some() && !is_ready(row)) {
        found.push(format!("port {} is bound and not ready: {row:?}", row.id));
    }
}

/// A port made with an instance lives as long as the instance.
fn every_port_has_an_owner(seen: &Seen, found: &mut Vec<String>) {
    for row in &seen.ports {
        if !row.standalone && row.instance_id.is_none() {
            found.push(format!("port {} was made with an instance and has none", row.id));
        }
    }
}

/// At rest an instance has one row where it is at home, or none: it waits for a host then, and only then.
fn nobody_is_in_two_places(seen: &Seen, found: &mut Vec<String>) {
    for row in &seen.instances {
        if row.rows != i64::from(row.host_id.is_some()) || row.waits == row.host_id.is_some() {
            found.push(format!("instance {} is not in one place: {row:?}", row.id));
        }
    }
}

/// The ports of an instance are on its host, and nowhere where it has none.
fn ports_are_where_their_instance_is(seen: &Seen, found: &mut Vec<String>) {
    for row in seen.ports.iter().filter(|row| row.instance_id.is_some() && row.host_id != row.instance_host_id) {
        found.push(format!("port {} is not where its instance is: {row:?}", row.id));
    }
}

/// Each address is a host address of its subnet, neither gateway nor service, and of its port's network.
fn addresses_are_of_their_pool(seen: &Seen, found: &mut Vec<String>) {
    for row in &seen.addresses {
        let ip = row.address.ip();
        let gateway = row.gateway.map(|gateway| gateway.ip());
        if SubnetPlan::check_port(row.cidr, gateway, row.service.ip(), ip).is_err() || !row.same_network {
            found.push(format!("the address {ip} is not one to give out: {row:?}"));
        }
    }
}

/// The sizes of a host's instances add up to what it offers, or less.
fn no_host_gives_more_than_it_has(seen: &Seen, found: &mut Vec<String>) {
    for row in &seen.hosts {
        if row.vcpus_used > row.vcpus || row.memory_used > row.memory_mib || row.disk_used > row.disk_gib {
            found.push(format!("host {} gives away more than it has: {row:?}", row.name));
        }
    }
}

/// No host with instances is left out of the comparison.
fn every_host_was_looked_at(seen: &Seen, hosts: &[HostTraces], found: &mut Vec<String>) {
    let looked: HashSet<Uuid> = hosts.iter().map(|host| host.host_id.as_uuid()).collect();
    for row in seen.hosts.iter().filter(|row| row.placed > 0 && !looked.contains(&row.id)) {
        found.push(format!("host {} has machines and was not looked at", row.name));
    }
}

/// Each built instance has its one domain, in its power state, and its disk on its own host.
fn every_machine_is_on_its_host(seen: &Seen, host: &HostTraces, found: &mut Vec<String>) {
    for row in seen.instances.iter().filter(|row| row.is_placed_on(host.host_id) && row.is_built()) {
        let id = InstanceId::from(row.id);
        let active = host.domains.get(&id).copied();
        if active != Some(row.power == "running") {
            found.push(format!(
                "instance {id} is wanted {} and its domain is {active:?} (active) on {}",
                row.power, host.host_id
            ));
        }
        if !host.disks.contains(&id) {
            found.push(format!("instance {id} has lost its disk on {}", host.host_id));
        }
    }
}

/// No domain and no file of an instance that is elsewhere, deleted, never built or unknown.
fn nothing_else_is_on_the_host(seen: &Seen, host: &HostTraces, found: &mut Vec<String>) {
    let is_here = |row: &&InstanceRow| row.is_placed_on(host.host_id) && (row.is_built() || row.may_be_kept());
    let here: HashSet<Uuid> = seen.instances.iter().filter(is_here).map(|row| row.id).collect();
    for id in host.domains.keys().filter(|id| !here.contains(&id.as_uuid())) {
        found.push(format!("the domain of instance {id} is on {} and should not be", host.host_id));
    }
    for id in host.disks.iter().filter(|id| !here.contains(&id.as_uuid())) {
        found.push(format!("files of instance {id} are on {} and should not be", host.host_id));
    }
}

/// Each bound port has its tap on its host, and there is no other tap.
fn taps_are_those_of_bound_ports(seen: &Seen, host: &HostTraces, found: &mut Vec<String>) {
    let bound = seen.ports.iter().filter(|row| row.host_id == Some(host.host_id.as_uuid()));
    let wanted: HashSet<&str> = bound.map(|row| row.tap.as_str()).collect();
    let there: HashSet<&str> = host.taps.iter().map(String::as_str).collect();
    found.extend(wanted.difference(&there).map(|tap| format!("the tap {tap} is missing on {}", host.host_id)));
    found
        .extend(there.difference(&wanted).map(|tap| format!("the tap {tap} is on {} and should not be", host.host_id)));
}

/// Each network with a bound port on the host is there, and no other.
fn networks_are_those_of_bound_ports(seen: &Seen, host: &HostTraces, found: &mut Vec<String>) {
    let bound = seen.ports.iter().filter(|row| row.host_id == Some(host.host_id.as_uuid()));
    let wanted: HashSet<u32> = bound.filter_map(|row| u32::try_from(row.vni).ok()).collect();
    found.extend(
        wanted.difference(&host.networks).map(|vni| format!("the network {vni} is missing on {}", host.host_id)),
    );
    let strangers = host.networks.difference(&wanted);
    found.extend(strangers.map(|vni| format!("the network {vni} is on {} and should not be", host.host_id)));
}
