//! What a network is on a host that has a port in it: bridge, tunnel, service. Pure.

use crate::dhcp::{self, relay};
use crate::entries::{Entries, zone};
use crate::flows;
use crate::host_facts::HostFacts;
use crate::object::{self, Element, Key, Value};
use crate::shared::Shared;
use ipnetwork::IpNetwork;
use iroko_agent_link::Desired;
use iroko_agent_wire::{NetworkSpec, SubnetSpec};
use iroko_model::security_group::Direction;
use std::net::IpAddr;

/// All of it.
pub fn entries(network: &NetworkSpec, shared: &Shared, desired: &Desired, facts: &HostFacts) -> Entries {
    let (vni, mtu) = (network.vni, network.mtu);
    let mut entries = vec![
        (Key::Element(Element::Zone(vni)), Value::Zone(zone(vni))),
        (Key::Element(Element::Number(vni)), Value::Zone(zone(vni))),
        (Key::Bridge(vni), Value::Bridge { mtu }),
        (Key::Vxlan(vni), Value::Vxlan { local: facts.vtep, mtu, sharing: shared.sharing() }),
    ];
    entries.extend(shared.entries(network));
    if !network.subnets.is_empty() {
        entries.extend([
            (Key::Service(vni), Value::Service { mtu, addresses: service_addresses(network, facts.vtep) }),
            (Key::Forward(vni, object::service_mac(vni)), Value::Device(object::service_port(vni))),
            (
                Key::Dnsmasq(vni),
                Value::Text(dhcp::config(network, &relay::asked(network, desired, facts.vtep), &facts.dhcp)),
            ),
        ]);
    }
    if !network.subnets.is_empty() {
        let room = facts.flows.value(flows::sharers(desired));
        let of = |direction| (Key::Element(Element::ServiceFlows(vni, direction)), room.clone());
        entries.extend([of(Direction::Egress), of(Direction::Ingress)]);
    }
    if relay::is_needed(network) {
        entries.extend([
            (Key::Forward(vni, object::relay_mac(facts.vtep)), Value::Device(object::service_port(vni))),
            (Key::Element(Element::ServiceMac(vni)), Value::Mac(object::service_mac(vni))),
        ]);
    }
    entries
}

fn service_addresses(network: &NetworkSpec, vtep: IpAddr) -> Vec<IpNetwork> {
    let with_prefix = |subnet: &SubnetSpec| {
        IpNetwork::new(subnet.service, subnet.cidr.prefix()).expect("a prefix length of the same family")
    };
    let mut addresses: Vec<_> = network.subnets.iter().map(with_prefix).collect();
    addresses.extend(relay::is_needed(network).then(|| relay::own_address(vtep)));
    addresses.sort();
    addresses
}
