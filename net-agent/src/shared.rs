//! Addresses that move between the hosts of a network, because its ports have allowed address
//! pairs: by the word of the instances alone (ARP, neighbour discovery), whether or not anybody
//! hears the control plane. Pure.
//!
//! ```text
//!   holds one (a pair, or an own address that is another's pair)
//!     its host  ── ARP and ND of that port  ──> all hosts of the network
//!   holds none
//!     its host  ── ARP and ND about them    ──> hosts of those that hold one
//! ```
//!
//! The filter lets nothing else that is sent to many cross hosts. Where a pair names a MAC address
//! of its own, bridge and tunnel learn where that is; the entries of ports' own MAC addresses are
//! ours and do not follow what is learned.

use crate::entries::{Entries, present, ranges};
use crate::host_facts::HostFacts;
use crate::object::{Element, Key, Sharing, Value};
use ipnetwork::IpNetwork;
use iroko_agent_link::Desired;
use iroko_agent_wire::{NetworkSpec, PeerSpec, PortSpec};
use iroko_model::port::AddressPair;
use iroko_model::{MacAddress, NetworkId, Vni};
use std::net::IpAddr;

/// What of a network moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Ranges of all pairs, sorted, none inside another.
    ranges: Vec<IpNetwork>,
    sharing: Sharing,
    /// Whether a port of this host holds one of the addresses.
    is_held_here: bool,
}

/// Of networks without pairs.
pub static NOTHING: Shared = Shared { ranges: Vec::new(), sharing: Sharing::Nothing, is_held_here: false };

impl Shared {
    /// Of one network, as told by the specs of its ports.
    pub fn of(network: NetworkId, desired: &Desired, facts: &HostFacts) -> Self {
        let local: Vec<&PortSpec> =
            desired.ports.values().filter(|port| port.network_id == network).map(AsRef::as_ref).collect();
        let remote = desired.peers.get(&network).into_iter().flat_map(|of| of.values());
        let remote = remote.filter(|peer| is_elsewhere(peer, desired, facts));
        let all: Vec<(MacAddress, &[AddressPair])> = remote
            .map(|peer| (peer.mac, peer.allowed_address_pairs.as_slice()))
            .chain(local.iter().map(|port| (port.mac, port.allowed_address_pairs.as_slice())))
            .filter(|(_, pairs)| !pairs.is_empty())
            .collect();
        if all.is_empty() {
            return NOTHING.clone();
        }
        let has_macs = all.iter().any(|(own, pairs)| has_mac(*own, pairs));
        let sharing = if has_macs { Sharing::Macs } else { Sharing::Addresses };
        let pairs: Vec<AddressPair> = all.iter().flat_map(|(_, pairs)| *pairs).copied().collect();
        let mut shared = Self { ranges: ranges(&pairs), sharing, is_held_here: false };
        shared.is_held_here = local.iter().any(|port| shared.is_held_by(&port.addresses, &port.allowed_address_pairs));
        shared
    }

    /// True for an address that moves.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let above = self.ranges.partition_point(|range| range.ip() <= ip);
        above.checked_sub(1).is_some_and(|below| self.ranges[below].contains(ip))
    }

    /// True for a port with pairs, and for one whose own address is in another's.
    fn is_held_by(&self, addresses: &[IpAddr], pairs: &[AddressPair]) -> bool {
        !pairs.is_empty() || addresses.iter().any(|ip| self.contains(*ip))
    }

    /// What of a network's tunnel follows from this.
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// What a local port shares. What one without port security sends is not learned from: it may
    /// send from any MAC address.
    pub fn of_port(&self, port: &PortSpec) -> Sharing {
        match (self.is_held_by(&port.addresses, &port.allowed_address_pairs), port.is_secured) {
            (false, _) => Sharing::Nothing,
            (true, true) if has_mac(port.mac, &port.allowed_address_pairs) => Sharing::Macs,
            (true, _) => Sharing::Addresses,
        }
    }

    /// What the filter must know of a network.
    pub fn entries(&self, network: &NetworkSpec) -> Entries {
        self.ranges.iter().flat_map(|range| elements(network.vni, *range)).map(present).collect()
    }

    /// Whether this host must reach a peer's host with what is sent to many.
    pub fn flood(&self, peer: &PeerSpec, vni: Vni) -> Option<(Key, Value)> {
        let reached = self.is_held_here || self.is_held_by(&peer.addresses, &peer.allowed_address_pairs);
        reached.then_some((Key::Flood(vni, peer.vtep), Value::Present))
    }
}

/// True for a peer that this host reaches by its tunnel.
pub fn is_elsewhere(peer: &PeerSpec, desired: &Desired, facts: &HostFacts) -> bool {
    peer.host_id != facts.host_id && !desired.ports.contains_key(&peer.port_id)
}

/// True where a pair names a MAC address beside the port's own.
fn has_mac(own: MacAddress, pairs: &[AddressPair]) -> bool {
    pairs.iter().filter_map(|pair| pair.mac).any(|mac| mac != own)
}

fn elements(vni: Vni, range: IpNetwork) -> Vec<Element> {
    let mut elements = vec![Element::Shared(vni, range)];
    if let IpNetwork::V6(v6) = range {
        elements.push(Element::SharedNd(vni, v6.network(), v6.broadcast()));
    }
    elements
}

#[cfg(test)]
mod tests;
