//! What a port on another host is here: where its MAC address lives, and who answers for its addresses. Pure.

use crate::dhcp::relay;
use crate::entries::{Entries, host_record, with_link_local};
use crate::object::{self, Element, Key, Value};
use crate::shared::Shared;
use iroko_agent_wire::{NetworkSpec, PeerSpec};

/// All of it.
pub fn entries(peer: &PeerSpec, network: &NetworkSpec, shared: &Shared) -> Entries {
    let vni = network.vni;
    let mut entries = vec![
        (Key::Tunnel(vni, peer.mac), Value::Vtep(peer.vtep)),
        (Key::Forward(vni, peer.mac), Value::Device(vni.vxlan())),
    ];
    for ip in with_link_local(&peer.addresses, peer.mac) {
        // Whose address moves answers for itself.
        if !shared.contains(ip) {
            entries.push((Key::Neighbour(vni, ip), Value::Mac(peer.mac)));
        }
        entries.push((Key::Element(Element::Member(vni, ip)), Value::Present));
    }
    if relay::is_needed(network) {
        let (mac, address) = (object::relay_mac(peer.vtep), object::relay_address(peer.vtep));
        entries.extend([
            (Key::Tunnel(vni, mac), Value::Vtep(peer.vtep)),
            (Key::Forward(vni, mac), Value::Device(vni.vxlan())),
            (Key::Neighbour(vni, address.into()), Value::Mac(mac)),
        ]);
    }
    entries.extend(shared.flood(peer, vni));
    entries.extend(host_record(network, peer.port_id, &peer.addresses, peer.hostname.as_str()));
    entries
}
