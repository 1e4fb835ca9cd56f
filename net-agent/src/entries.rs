//! Entries of the wanted state: the type, and the small functions that several kinds of objects make theirs
//! with. Below all files of kinds (`network`, `port`, `peer`, ...), so that none of these needs another. Pure.

use crate::dhcp;
use crate::object::{Element, Key, Value, link_local};
use ipnetwork::IpNetwork;
use iroko_agent_wire::NetworkSpec;
use iroko_model::port::AddressPair;
use iroko_model::{MacAddress, PortId, Vni};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Parts of the wanted state: what there shall be, and how.
pub type Entries = Vec<(Key, Value)>;

/// An element that says no more than that it is there.
pub fn present(element: Element) -> (Key, Value) {
    (Key::Element(element), Value::Present)
}

/// A network's conntrack zone: its VNI in 16 bits, 0 left to the host itself. Two networks whose
/// VNIs differ by a multiple of 65535 share one, which is harmless unless they also share
/// addresses *and* ports of a connection at one moment on one host.
pub fn zone(vni: Vni) -> u16 {
    u16::try_from((vni.get() - 1) % 0xffff + 1).expect("a remainder of 65535, plus one, has 16 bits")
}

/// The line of the DNS server for an instance that has a name there.
pub fn host_record(network: &NetworkSpec, port: PortId, addresses: &[IpAddr], hostname: &str) -> Option<(Key, Value)> {
    let named = !network.subnets.is_empty() && !addresses.is_empty();
    named.then(|| (Key::HostRecord(network.vni, port), Value::Text(dhcp::host_record(addresses, hostname))))
}

/// An instance's addresses, and the link-local one it needs for IPv6, where it has any.
pub fn with_link_local(addresses: &[IpAddr], mac: MacAddress) -> impl Iterator<Item = IpAddr> {
    let six = addresses.iter().any(IpAddr::is_ipv6);
    addresses.iter().copied().chain(six.then(|| link_local(mac).into()))
}

/// Ranges of allowed address pairs, and the link-local addresses that their MAC addresses form;
/// sorted, without those that are inside of others, for nft takes none that overlap.
pub fn ranges(pairs: &[AddressPair]) -> Vec<IpNetwork> {
    let formed = pairs.iter().filter(|pair| pair.cidr.is_ipv6()).filter_map(|pair| pair.mac);
    let formed = formed.map(|mac| IpNetwork::from(IpAddr::V6(link_local(mac))));
    let all: BTreeSet<IpNetwork> = pairs.iter().map(|pair| pair.cidr).chain(formed).collect();
    let mut outermost: Vec<IpNetwork> = Vec::new();
    for range in all {
        // What contains another stands before it, and two ranges do not overlap in any other way.
        if !outermost.last().is_some_and(|last| last.contains(range.ip())) {
            outermost.push(range);
        }
    }
    outermost
}
