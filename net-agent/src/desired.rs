//! What is desired of the host, as wanted kernel state. Pure.
//!
//! Each desired object contributes things; [`Wanted`] remembers which, so that one changed object
//! touches its own things and no others. A network that changed renews its ports and peers too,
//! for their things follow its VNI and MTU. The periodic pass computes everything anew.

use crate::dhcp;
use crate::object::{self, Element, Key, State, Value, link_local};
use ipnetwork::IpNetwork;
use iroko_agent_link::agent::Desired;
use iroko_agent_link::wire::{NetworkSpec, ObjectKey, PeerSpec, PortSpec};
use iroko_model::{HostId, MacAddress, NetworkId, PortId, Vni};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// What of this host shapes what is wanted on it.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// The host; peers on it are ignored.
    pub host_id: HostId,
    /// Its underlay address.
    pub vtep: IpAddr,
    /// Who may open its taps.
    pub tap_owner: Option<u32>,
    /// How the DHCP servers behave.
    pub dhcp: dhcp::Settings,
}

/// Wanted things, and which desired object each comes from.
#[derive(Debug, Default)]
pub struct Wanted {
    /// All of it.
    pub state: State,
    contributions: HashMap<ObjectKey, Contribution>,
}

#[derive(Debug)]
struct Contribution {
    network: NetworkId,
    keys: Vec<Key>,
}

impl Wanted {
    /// Everything, computed anew.
    pub fn all(desired: &Desired, facts: &HostFacts) -> Self {
        let mut wanted = Self::default();
        wanted.state.insert(Key::Base, Value::Base(crate::firewall::VERSION.clone()));
        for object in all_objects(desired) {
            wanted.add(object, desired, facts);
        }
        wanted
    }

    /// Takes in what is dirty; returns the keys of all things that may have changed.
    pub fn renew(&mut self, dirty: &HashSet<ObjectKey>, desired: &Desired, facts: &HostFacts) -> HashSet<Key> {
        let objects = self.concerned(dirty, desired);
        let mut touched = HashSet::new();
        for object in &objects {
            if let Some(old) = self.contributions.remove(object) {
                old.keys.iter().for_each(|key| drop(self.state.remove(key)));
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
        [ObjectKey::Port(port.id), ObjectKey::Network(port.network_id)]
            .into_iter()
            .filter_map(|object| self.contributions.get(&object))
            .flat_map(|contribution| &contribution.keys)
    }

    fn concerned(&self, dirty: &HashSet<ObjectKey>, desired: &Desired) -> HashSet<ObjectKey> {
        let mut all = HashSet::new();
        for object in dirty {
            all.insert(*object);
            match object {
                ObjectKey::Network(network) => {
                    let known = self.contributions.iter().filter(|(_, old)| old.network == *network);
                    all.extend(known.map(|(object, _)| *object));
                    all.extend(objects_of_network(*network, desired));
                }
                ObjectKey::Port(port) => {
                    all.extend(desired.ports.get(port).map(|spec| ObjectKey::Peer(spec.network_id, *port)));
                    let old = self.contributions.get(object).map(|old| ObjectKey::Peer(old.network, *port));
                    all.extend(old);
                }
                ObjectKey::Peer(_, port) => drop(all.insert(ObjectKey::Port(*port))),
                _ => {}
            }
        }
        all
    }

    fn add(&mut self, object: ObjectKey, desired: &Desired, facts: &HostFacts) -> Vec<Key> {
        let Some((network, things)) = contribution(object, desired, facts) else { return Vec::new() };
        let keys: Vec<Key> = things.iter().map(|(key, _)| key.clone()).collect();
        self.state.extend(things);
        self.contributions.insert(object, Contribution { network, keys: keys.clone() });
        keys
    }
}

fn all_objects(desired: &Desired) -> Vec<ObjectKey> {
    // Peers before ports: where a port has just moved here, what is local counts.
    let peers = desired.peers.iter().flat_map(|(network, of)| of.keys().map(|port| ObjectKey::Peer(*network, *port)));
    let networks = desired.networks.keys().map(|id| ObjectKey::Network(*id));
    peers.chain(networks).chain(desired.ports.keys().map(|id| ObjectKey::Port(*id))).collect()
}

fn objects_of_network(network: NetworkId, desired: &Desired) -> Vec<ObjectKey> {
    let peers = desired.peers.get(&network).into_iter().flat_map(|of| of.keys());
    let ports = desired.ports.values().filter(|port| port.network_id == network);
    peers.map(|port| ObjectKey::Peer(network, *port)).chain(ports.map(|port| ObjectKey::Port(port.id))).collect()
}

type Things = Vec<(Key, Value)>;

fn contribution(object: ObjectKey, desired: &Desired, facts: &HostFacts) -> Option<(NetworkId, Things)> {
    match object {
        ObjectKey::Network(id) => Some((id, network_things(desired.networks.get(&id)?, facts))),
        ObjectKey::Port(id) => {
            let port = desired.ports.get(&id)?;
            let network = desired.networks.get(&port.network_id)?;
            Some((network.id, port_things(port, network, facts)))
        }
        ObjectKey::Peer(network, port) => {
            let peer = desired.peers.get(&network)?.get(&port)?;
            let network = desired.networks.get(&network)?;
            let elsewhere = peer.host_id != facts.host_id && !desired.ports.contains_key(&port);
            elsewhere.then(|| (network.id, peer_things(peer, network)))
        }
        _ => None,
    }
}

fn network_things(network: &NetworkSpec, facts: &HostFacts) -> Things {
    let (vni, mtu) = (network.vni, network.mtu);
    let mut things = vec![
        (Key::Element(Element::Zone(vni)), Value::Zone(zone(vni))),
        (Key::Bridge(vni), Value::Bridge { mtu }),
        (Key::Vxlan(vni), Value::Vxlan { local: facts.vtep, mtu }),
    ];
    if !network.subnets.is_empty() {
        things.extend([
            (Key::Service(vni), Value::Service { mtu, addresses: service_addresses(network) }),
            (Key::Forward(vni, object::service_mac(vni)), Value::Device(object::service_port(vni))),
            (Key::Dnsmasq(vni), Value::Text(dhcp::config(network, &facts.dhcp))),
        ]);
    }
    things
}

/// A network's conntrack zone: its VNI in 16 bits, 0 left to the host itself. Two networks whose
/// VNIs differ by a multiple of 65535 share one, which is harmless unless they also share
/// addresses *and* ports of a connection at one moment on one host.
fn zone(vni: Vni) -> u16 {
    u16::try_from((vni.get() - 1) % 0xffff + 1).expect("a remainder of 65535, plus one, has 16 bits")
}

fn service_addresses(network: &NetworkSpec) -> Vec<IpNetwork> {
    let with_prefix = |subnet: &iroko_agent_link::wire::SubnetSpec| {
        IpNetwork::new(subnet.service, subnet.cidr.prefix()).expect("a prefix length of the same family")
    };
    let mut addresses: Vec<_> = network.subnets.iter().map(with_prefix).collect();
    addresses.sort();
    addresses
}

fn port_things(port: &PortSpec, network: &NetworkSpec, facts: &HostFacts) -> Things {
    let (vni, tap) = (network.vni, &port.tap);
    let mut things = vec![
        (Key::Element(Element::TapMac(tap.clone(), port.mac)), Value::Present),
        (Key::Tap(tap.clone()), Value::Tap { vni, mtu: network.mtu, owner: facts.tap_owner }),
        (Key::Forward(vni, port.mac), Value::Device(tap.clone())),
    ];
    for ip in with_link_local(&port.addresses, port.mac) {
        let elements = [Element::TapIp(tap.clone(), ip), Element::PortIp(vni, ip), Element::Member(vni, ip)];
        things.extend(elements.map(|element| (Key::Element(element), Value::Present)));
        if let IpAddr::V6(v6) = ip {
            things.push((Key::Element(Element::TapNd(tap.clone(), v6)), Value::Present));
        }
    }
    if !network.subnets.is_empty() && !port.addresses.is_empty() {
        things.push((Key::Reservation(vni, port.id), Value::Text(dhcp::reservation(port))));
    }
    things.extend(host_record(network, port.id, &port.addresses, port.hostname.as_str()));
    things
}

fn peer_things(peer: &PeerSpec, network: &NetworkSpec) -> Things {
    let vni = network.vni;
    let mut things = vec![
        (Key::Tunnel(vni, peer.mac), Value::Vtep(peer.vtep)),
        (Key::Forward(vni, peer.mac), Value::Device(vni.vxlan())),
    ];
    for ip in with_link_local(&peer.addresses, peer.mac) {
        things.push((Key::Neighbour(vni, ip), Value::Mac(peer.mac)));
        things.push((Key::Element(Element::Member(vni, ip)), Value::Present));
    }
    things.extend(host_record(network, peer.port_id, &peer.addresses, peer.hostname.as_str()));
    things
}

fn host_record(network: &NetworkSpec, port: PortId, addresses: &[IpAddr], hostname: &str) -> Option<(Key, Value)> {
    let named = !network.subnets.is_empty() && !addresses.is_empty();
    named.then(|| (Key::HostRecord(network.vni, port), Value::Text(dhcp::host_record(addresses, hostname))))
}

/// A machine's addresses, and the link-local one it needs for IPv6, where it has any.
fn with_link_local(addresses: &[IpAddr], mac: MacAddress) -> impl Iterator<Item = IpAddr> {
    let six = addresses.iter().any(IpAddr::is_ipv6);
    addresses.iter().copied().chain(six.then(|| link_local(mac).into()))
}
