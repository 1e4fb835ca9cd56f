//! What is desired of the host, as wanted kernel state. Pure.
//!
//! Each desired object contributes things; [`Wanted`] remembers which, so that one changed object
//! touches its own things and no others. A network that changed renews its ports and peers too,
//! for their things follow its VNI and MTU. The periodic pass computes everything anew.

use crate::dhcp::relay;
use crate::entries::Entries;
use crate::flows;
use crate::host_facts::HostFacts;
use crate::object::{Key, State, Value};
use crate::shared::{self, Shared};
use crate::{address_set, member, network, peer, port, security_group};
use iroko_agent_link::Desired;
use iroko_agent_wire::{ObjectKey, PortSpec};
use iroko_model::{InstanceId, NetworkId, PortId, SecurityGroupId};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Wanted things, and which desired object each comes from.
#[derive(Debug, Default)]
pub struct Wanted {
    /// All of it.
    pub state: State,
    contributions: HashMap<ObjectKey, Contribution>,
    /// How many objects contribute each thing, where it is more than one.
    claims: HashMap<Key, u32>,
    /// What moves between hosts, of networks where anything does.
    shared: HashMap<NetworkId, Shared>,
    /// How many flows each port has room for.
    room: u32,
    /// Ports and peers that are DNS servers of their networks.
    serving: HashMap<ObjectKey, NetworkId>,
    /// Whose ports these are.
    instances: HashMap<PortId, InstanceId>,
}

#[derive(Debug)]
struct Contribution {
    /// The network whose change may change these things.
    network: Option<NetworkId>,
    keys: Vec<Key>,
}

impl Wanted {
    /// Everything, computed anew.
    pub fn all(desired: &Desired, facts: &HostFacts) -> Self {
        let mut wanted = Self { room: facts.flows.room(flows::sharers(desired)), ..Self::default() };
        for network in desired.networks.keys() {
            wanted.follow(*network, desired, facts);
        }
        let servers: HashSet<ObjectKey> = all_objects(desired).into_iter().collect();
        wanted.served_anew(&servers, desired);
        wanted.state.insert(Key::Base, Value::Base(crate::firewall::VERSION.clone()));
        for object in all_objects(desired) {
            wanted.add(object, desired, facts);
        }
        wanted
    }

    /// Takes in what is dirty; returns the keys of all things that may have changed.
    pub fn renew(&mut self, dirty: &HashSet<ObjectKey>, desired: &Desired, facts: &HostFacts) -> HashSet<Key> {
        let mut dirty = dirty.clone();
        dirty.extend(self.room_anew(desired, facts));
        dirty.extend(self.sharing_anew(&dirty, desired, facts).into_iter().map(ObjectKey::Network));
        dirty.extend(self.served_anew(&dirty, desired).into_iter().map(ObjectKey::Network));
        let objects = self.concerned(&dirty, desired, facts);
        let mut touched = HashSet::new();
        for object in &objects {
            if let Some(old) = self.contributions.remove(object) {
                old.keys.iter().for_each(|key| self.release(key));
                touched.extend(old.keys);
            }
        }
        for object in objects {
            touched.extend(self.add(object, desired, facts));
        }
        touched
    }

    /// Keys of what a port needs before a guest may use it: its own things and its network's.
    pub fn keys_of_port(&self, port: &PortSpec) -> impl Iterator<Item = &Key> {
        let groups = port.security_group_ids.iter().flatten().map(|group| ObjectKey::SecurityGroup(*group));
        [ObjectKey::Port(port.id), ObjectKey::Network(port.network_id)]
            .into_iter()
            .chain(groups)
            .filter_map(|object| self.contributions.get(&object))
            .flat_map(|contribution| &contribution.keys)
    }

    /// All ports and networks, where there is room for more flows of each than there was, or for fewer.
    fn room_anew(&mut self, desired: &Desired, facts: &HostFacts) -> Vec<ObjectKey> {
        let room = facts.flows.room(flows::sharers(desired));
        if std::mem::replace(&mut self.room, room) == room {
            return Vec::new();
        }
        let networks = desired.networks.keys().map(|id| ObjectKey::Network(*id));
        desired.ports.keys().map(|id| ObjectKey::Port(*id)).chain(networks).collect()
    }

    /// Networks of which a DNS server came, went or moved to another host.
    fn served_anew(&mut self, dirty: &HashSet<ObjectKey>, desired: &Desired) -> Vec<NetworkId> {
        let mut networks = Vec::new();
        for key in dirty {
            let of = |network, addresses: &[IpAddr]| {
                desired.networks.get(network).filter(|spec| relay::serves(spec, addresses)).map(|spec| spec.id)
            };
            let now = match key {
                ObjectKey::Port(port) => desired.ports.get(port).and_then(|spec| of(&spec.network_id, &spec.addresses)),
                ObjectKey::Peer(network, port) => {
                    let peer = desired.peers.get(network).and_then(|peers| peers.get(port));
                    peer.and_then(|spec| of(network, &spec.addresses))
                }
                _ => continue,
            };
            let before = match now {
                Some(network) => self.serving.insert(*key, network),
                None => self.serving.remove(key),
            };
            networks.extend(now.into_iter().chain(before));
        }
        networks
    }

    /// Networks of which something else moves than did.
    fn sharing_anew(&mut self, dirty: &HashSet<ObjectKey>, desired: &Desired, facts: &HostFacts) -> Vec<NetworkId> {
        let networks: HashSet<NetworkId> = dirty.iter().flat_map(|key| self.may_share(key, desired)).collect();
        networks.into_iter().filter(|network| self.follow(*network, desired, facts)).collect()
    }

    /// Networks that share something by this object, or did.
    fn may_share(&self, key: &ObjectKey, desired: &Desired) -> Vec<NetworkId> {
        let (networks, has_pairs) = match key {
            ObjectKey::Network(network) => (vec![*network], false),
            ObjectKey::Peer(network, port) => {
                let spec = desired.peers.get(network).and_then(|of| of.get(port));
                (vec![*network], spec.is_some_and(|spec| !spec.allowed_address_pairs.is_empty()))
            }
            ObjectKey::Port(port) => {
                let (new, old) = (desired.ports.get(port), self.contributions.get(key).and_then(|old| old.network));
                let has_pairs = new.is_some_and(|spec| !spec.allowed_address_pairs.is_empty());
                (new.map(|spec| spec.network_id).into_iter().chain(old).collect(), has_pairs)
            }
            _ => return Vec::new(),
        };
        networks.into_iter().filter(|network| has_pairs || self.shared.contains_key(network)).collect()
    }

    /// Looks anew what of a network moves; true where that changed.
    fn follow(&mut self, network: NetworkId, desired: &Desired, facts: &HostFacts) -> bool {
        let new = Shared::of(network, desired, facts);
        let old = if new == shared::NOTHING {
            self.shared.remove(&network)
        } else {
            self.shared.insert(network, new.clone())
        };
        old.as_ref().unwrap_or(&shared::NOTHING) != &new
    }

    fn concerned(&self, dirty: &HashSet<ObjectKey>, desired: &Desired, facts: &HostFacts) -> HashSet<ObjectKey> {
        let mut all = HashSet::new();
        for object in dirty {
            all.insert(*object);
            match object {
                ObjectKey::Network(network) => {
                    let known = self.contributions.iter().filter(|(_, old)| old.network == Some(*network));
                    all.extend(known.map(|(object, _)| *object));
                    all.extend(objects_of_network(*network, desired));
                }
                ObjectKey::Port(port) => {
                    all.extend(desired.ports.get(port).map(|spec| ObjectKey::Peer(spec.network_id, *port)));
                    let old = self.contributions.get(object).and_then(|old| old.network);
                    all.extend(old.map(|network| ObjectKey::Peer(network, *port)));
                    all.extend(self.groups_not_told(*port, desired));
                    all.extend(sharing_macs(*port, old, desired));
                    all.extend(self.siblings_of(*port, desired));
                }
                ObjectKey::Peer(_, port) => drop(all.insert(ObjectKey::Port(*port))),
                ObjectKey::SecurityGroup(group) => all.extend(self.ports_that_turn(*group, desired, facts)),
                ObjectKey::AddressSet(set) => all.extend(address_set::referring_to(*set, desired)),
                ObjectKey::Member(..) => {}
                ObjectKey::Instance(_) | ObjectKey::Unknown => {}
            }
        }
        all
    }

    /// The port's siblings, and those it had.
    fn siblings_of(&self, port: PortId, desired: &Desired) -> Vec<ObjectKey> {
        let now = desired.ports.get(&port);
        let here = now.into_iter().flat_map(|spec| port::siblings(spec, desired)).map(|other| other.id);
        let instance = self.instances.get(&port);
        let instance = instance.filter(|instance| now.is_none_or(|spec| spec.instance_id != **instance));
        let left = desired.ports.values().filter(|spec| Some(&spec.instance_id) == instance).map(|spec| spec.id);
        here.chain(left).map(ObjectKey::Port).collect()
    }

    /// Ports that begin or cease to keep state because of this group, and those with a copy of its rules.
    fn ports_that_turn(&self, group: SecurityGroupId, desired: &Desired, facts: &HostFacts) -> Vec<ObjectKey> {
        let turns = |spec: &&Arc<PortSpec>| {
            let groups = spec.security_group_ids.as_deref().unwrap_or_default();
            spec.is_secured
                && groups.contains(&group)
                && (spec.connection_log.is_some() || port::turns(spec, &self.state, desired, facts.shaping))
        };
        desired.ports.values().filter(turns).map(|spec| ObjectKey::Port(spec.id)).collect()
    }

    /// Groups of a port that have no chains yet, for the port's own chains jump to them.
    fn groups_not_told(&self, port: PortId, desired: &Desired) -> Vec<ObjectKey> {
        let groups = desired.ports.get(&port).and_then(|spec| spec.security_group_ids.as_ref()).into_iter().flatten();
        let keys = groups.map(|group| ObjectKey::SecurityGroup(*group));
        keys.filter(|key| !self.contributions.contains_key(key)).collect()
    }

    fn add(&mut self, object: ObjectKey, desired: &Desired, facts: &HostFacts) -> Vec<Key> {
        if let ObjectKey::Port(id) = object {
            match desired.ports.get(&id) {
                Some(spec) => drop(self.instances.insert(id, spec.instance_id)),
                None => drop(self.instances.remove(&id)),
            }
        }
        let Some((network, entries)) = contribution(object, &self.shared, desired, facts) else { return Vec::new() };
        let keys: Vec<Key> = entries.iter().map(|(key, _)| key.clone()).collect();
        entries.into_iter().for_each(|(key, value)| self.claim(key, value));
        self.contributions.insert(object, Contribution { network, keys: keys.clone() });
        keys
    }

    fn claim(&mut self, key: Key, value: Value) {
        match self.state.get_mut(&key) {
            None => drop(self.state.insert(key, value)),
            Some(known) => {
                *known = preferred(known, value);
                *self.claims.entry(key).or_insert(1) += 1;
            }
        }
    }

    fn release(&mut self, key: &Key) {
        match self.claims.get_mut(key) {
            None => drop(self.state.remove(key)),
            Some(2) => drop(self.claims.remove(key)),
            Some(more) => *more -= 1,
        }
    }
}

/// Of two ports of a host with the same further MAC address one judges what it sends and gets,
/// whatever the order in which they are looked at.
fn preferred(known: &Value, new: Value) -> Value {
    match (known, &new) {
        (Value::Verdict(known), Value::Verdict(other)) if known < other => Value::Verdict(known.clone()),
        _ => new,
    }
}

/// Other local ports of the port's network, old or new, that use MAC addresses beside their own.
fn sharing_macs(port: PortId, old: Option<NetworkId>, desired: &Desired) -> Vec<ObjectKey> {
    let new = desired.ports.get(&port).map(|spec| spec.network_id);
    let shares = |spec: &PortSpec| {
        let here = Some(spec.network_id) == old || Some(spec.network_id) == new;
        here && spec.allowed_address_pairs.iter().any(|pair| pair.mac.is_some())
    };
    desired.ports.values().filter(|spec| shares(spec)).map(|spec| ObjectKey::Port(spec.id)).collect()
}

fn all_objects(desired: &Desired) -> Vec<ObjectKey> {
    // Peers before ports: where a port has just moved here, what is local counts.
    let peers = desired.peers.iter().flat_map(|(network, of)| of.keys().map(|port| ObjectKey::Peer(*network, *port)));
    let networks = desired.networks.keys().map(|id| ObjectKey::Network(*id));
    let groups = desired.security_groups.keys().map(|id| ObjectKey::SecurityGroup(*id));
    let of_ports = desired.ports.values().flat_map(|port| port.security_group_ids.iter().flatten());
    let not_told = of_ports.filter(|id| !desired.security_groups.contains_key(id)).collect::<HashSet<_>>();
    let not_told = not_told.into_iter().map(|id| ObjectKey::SecurityGroup(*id));
    let members = desired.members.iter().flat_map(|(group, of)| of.keys().map(|port| ObjectKey::Member(*group, *port)));
    let sets = desired.address_sets.keys().map(|id| ObjectKey::AddressSet(*id));
    let ports = desired.ports.keys().map(|id| ObjectKey::Port(*id));
    peers.chain(networks).chain(ports).chain(groups).chain(not_told).chain(members).chain(sets).collect()
}

fn objects_of_network(network: NetworkId, desired: &Desired) -> Vec<ObjectKey> {
    let peers = desired.peers.get(&network).into_iter().flat_map(|of| of.keys());
    let ports = desired.ports.values().filter(|port| port.network_id == network);
    let members = desired.members.values().flat_map(HashMap::values).filter(|member| member.network_id == network);
    let members = members.map(|member| ObjectKey::Member(member.group_id, member.port_id));
    let peers = peers.map(|port| ObjectKey::Peer(network, *port));
    peers.chain(ports.map(|port| ObjectKey::Port(port.id))).chain(members).collect()
}

fn contribution(
    object: ObjectKey,
    shared: &HashMap<NetworkId, Shared>,
    desired: &Desired,
    facts: &HostFacts,
) -> Option<(Option<NetworkId>, Entries)> {
    let shared = |network| shared.get(&network).unwrap_or(&shared::NOTHING);
    match object {
        ObjectKey::Network(id) => {
            Some((Some(id), network::entries(desired.networks.get(&id)?, shared(id), desired, facts)))
        }
        ObjectKey::Port(id) => {
            let port = desired.ports.get(&id)?;
            let network = desired.networks.get(&port.network_id)?;
            Some((Some(network.id), port::entries(port, network, shared(network.id), desired, facts)))
        }
        ObjectKey::Peer(network, port) => {
            let peer = desired.peers.get(&network)?.get(&port)?;
            let network = desired.networks.get(&network)?;
            let elsewhere = shared::is_elsewhere(peer, desired, facts);
            elsewhere.then(|| (Some(network.id), peer::entries(peer, network, shared(network.id))))
        }
        ObjectKey::SecurityGroup(id) => security_group::entries(id, desired).map(|entries| (None, entries)),
        ObjectKey::Member(group, port) => {
            let member = desired.members.get(&group)?.get(&port)?;
            let network = desired.networks.get(&member.network_id);
            Some((Some(member.network_id), member::entries(member, network.map(|network| network.vni))))
        }
        ObjectKey::AddressSet(id) => desired.address_sets.get(&id).map(|set| (None, address_set::entries(set))),
        ObjectKey::Instance(_) | ObjectKey::Unknown => None,
    }
}
