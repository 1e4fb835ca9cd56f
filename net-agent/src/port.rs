//! What a port on this host needs: a tap, where it is found, and its filter. Pure.

use crate::dhcp;
use crate::entries::{Entries, host_record, present, ranges, with_link_local, zone};
use crate::firewall::tap::{self, Tap};
use crate::firewall::{group, limit, log};
use crate::flows;
use crate::host_facts::HostFacts;
use crate::object::{Chain, Element, Key, Sharing, State, Value};
use crate::shared::Shared;
use ipnetwork::IpNetwork;
use iroko_agent_link::Desired;
use iroko_agent_wire::{NetworkSpec, PortSpec};
use iroko_model::connection_log::Verdict;
use iroko_model::security_group::Direction;
use iroko_model::{MacAddress, SecurityGroupId, Vni};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// All of it.
pub fn entries(
    port: &PortSpec,
    network: &NetworkSpec,
    shared: &Shared,
    desired: &Desired,
    facts: &HostFacts,
) -> Entries {
    let (vni, tap, sharing) = (network.vni, &port.tap, shared.of_port(port));
    let mut entries = vec![
        (Key::Tap(tap.clone()), Value::Tap { vni, mtu: network.mtu, owner: facts.tap_owner, sharing }),
        (Key::Forward(vni, port.mac), Value::Device(tap.clone())),
    ];
    let members = with_link_local(&port.addresses, port.mac).map(|ip| Element::Member(vni, ip));
    entries.extend(members.map(present));
    // Also without port security: as somebody else it says nothing to many on other hosts.
    entries.extend(addresses(port).into_iter().chain(of_siblings(port, desired)).map(present));
    if sharing != Sharing::Nothing {
        entries.push(present(Element::TapShares(tap.clone())));
    }
    if port.is_secured {
        entries.extend(judges(port, vni, desired));
        if port.security_group_ids.as_deref().is_some_and(|groups| is_stateless(groups, desired)) {
            entries.push(present(Element::TapStateless(tap.clone())));
        }
    }
    entries.extend(room(port, vni, facts.flows.value(flows::sharers(desired))));
    let limits = Limits::of(port, facts.shaping);
    entries.extend(tap_chains(port, vni, &limits, desired));
    entries.extend(limits.entries(port));
    if !network.subnets.is_empty() && !port.addresses.is_empty() {
        entries.push((Key::Reservation(vni, port.id), Value::Text(dhcp::reservation(port, &network.domain))));
    }
    entries.extend(host_record(network, port.id, &port.addresses, port.hostname.as_str()));
    entries
}

/// The addresses that the tap may use.
fn addresses(port: &PortSpec) -> Vec<Element> {
    let tap = || port.tap.clone();
    let mut elements: Vec<Element> = macs(port).into_iter().map(|mac| Element::TapMac(tap(), mac)).collect();
    for ip in with_link_local(&port.addresses, port.mac) {
        elements.push(Element::TapIp(tap(), ip));
        if let IpAddr::V6(v6) = ip {
            elements.push(Element::TapNd(tap(), v6));
        }
    }
    for range in ranges(&port.allowed_address_pairs) {
        elements.push(Element::TapRange(tap(), range));
        if let IpNetwork::V6(v6) = range {
            elements.push(Element::TapNdRange(tap(), v6.network(), v6.broadcast()));
        }
    }
    elements
}

/// The addresses of the instance's other ports on the network: an instance with several interfaces on one network answers
/// by whichever its routes name first.
fn of_siblings(port: &PortSpec, desired: &Desired) -> Vec<Element> {
    let siblings = siblings(port, desired).flat_map(|sibling| sibling.addresses.iter().copied());
    let element = |ip| {
        let nd = if let IpAddr::V6(v6) = ip { Some(Element::TapNd(port.tap.clone(), v6)) } else { None };
        std::iter::once(Element::TapIp(port.tap.clone(), ip)).chain(nd)
    };
    siblings.flat_map(element).collect()
}

/// Other ports of its instance on its network.
pub fn siblings<'a>(port: &PortSpec, desired: &'a Desired) -> impl Iterator<Item = &'a PortSpec> {
    let (id, instance, network) = (port.id, port.instance_id, port.network_id);
    let ports = desired.ports.values().map(AsRef::as_ref);
    ports
        .filter(move |other: &&PortSpec| other.id != id && other.instance_id == instance && other.network_id == network)
}

/// Its own MAC address and those of its allowed address pairs.
pub fn macs(port: &PortSpec) -> BTreeSet<MacAddress> {
    port.allowed_address_pairs.iter().filter_map(|pair| pair.mac).chain([port.mac]).collect()
}

/// Where what it carries is limited, whether it is secured or not: bandwidth by queues, where there
/// are any, and all else by the rules of chains.
struct Limits {
    rates: [(Direction, Option<u64>); 2],
    rules: [(Direction, Option<String>); 2],
}

impl Limits {
    fn of(port: &PortSpec, shaping: bool) -> Self {
        let limits = &port.limits;
        let each = [
            (Direction::Egress, limits.egress_kbit_s, limits.egress_packets_s),
            (Direction::Ingress, limits.ingress_kbit_s, limits.ingress_packets_s),
        ];
        let rate = |kbit_s| limit::rate(kbit_s).filter(|_| shaping);
        let left = |kbit_s: Option<u32>| kbit_s.filter(|_| rate(kbit_s).is_none());
        Self {
            rates: each.map(|(direction, kbit_s, _)| (direction, rate(kbit_s))),
            rules: each.map(|(direction, kbit_s, packets_s)| (direction, limit::chain(left(kbit_s), packets_s))),
        }
    }

    fn entries(self, port: &PortSpec) -> impl Iterator<Item = (Key, Value)> {
        let queues = self
            .rates
            .into_iter()
            .filter_map(|(direction, rate)| Some((Key::Shape(port.tap.clone(), direction), Value::Rate(rate?))));
        let chains = self.rules.into_iter().filter_map(|(direction, rules)| {
            Some((Key::Chain(Chain::Limit(port.tap.clone(), direction)), Value::Text(rules?)))
        });
        queues.chain(chains)
    }
}

/// The tap's own chains, and how they are found.
fn tap_chains(port: &PortSpec, vni: Vni, limits: &Limits, desired: &Desired) -> Entries {
    let addresses: Vec<IpAddr> = with_link_local(&port.addresses, port.mac).collect();
    let groups = port.security_group_ids.as_deref();
    let described = Tap {
        name: &port.tap,
        zone: zone(vni),
        mac: port.mac,
        addresses: &addresses,
        is_secured: port.is_secured,
        is_grouped: groups.is_some(),
        is_stateless: groups.is_some_and(|groups| is_stateless(groups, desired)),
    };
    let of_direction = |(direction, limit): &(Direction, Option<String>)| {
        let chain = Chain::Tap(port.tap.clone(), *direction);
        let verdict = Value::Verdict(format!("goto {chain}"));
        let rules = tap::chain(described, *direction, limit.is_some());
        [(Key::Element(Element::Tap(port.tap.clone(), *direction)), verdict), (Key::Chain(chain), Value::Text(rules))]
    };
    limits.rules.iter().flat_map(of_direction).collect()
}

/// True where its tap's chains are not as they would be now: the port begins or ceases to keep state.
pub fn turns(port: &PortSpec, state: &State, desired: &Desired, shaping: bool) -> bool {
    let Some(network) = desired.networks.get(&port.network_id) else { return false };
    let limits = Limits::of(port, shaping);
    let differs = |(key, value): (Key, Value)| matches!(key, Key::Chain(_)) && state.get(&key) != Some(&value);
    tap_chains(port, network.vni, &limits, desired).into_iter().any(differs)
}

/// Where what it sends and gets is judged.
fn judges(port: &PortSpec, vni: Vni, desired: &Desired) -> Entries {
    let Some(groups) = &port.security_group_ids else {
        return verdicts(port, vni, "accept".to_owned(), "goto members".to_owned());
    };
    let mut groups = groups.clone();
    groups.sort_unstable();
    groups.dedup();
    let chain = |direction| Chain::Port(port.tap.clone(), direction);
    let [sends, gets] = [Direction::Egress, Direction::Ingress].map(chain);
    let mut entries = verdicts(port, vni, format!("goto {sends}"), format!("goto {gets}"));
    let text = |direction| match &port.connection_log {
        Some(spec) => log::port_chain(&port.tap, spec, &groups, desired, direction),
        None => group::port_chain(&groups, direction),
    };
    entries.push((Key::Chain(sends), Value::Text(text(Direction::Egress))));
    entries.push((Key::Chain(gets), Value::Text(text(Direction::Ingress))));
    entries.extend(logs(port));
    entries
}

/// Where what it asks for is logged.
fn logs(port: &PortSpec) -> Entries {
    let Some(spec) = &port.connection_log else { return Entries::new() };
    let tap = || port.tap.clone();
    let mut entries = Entries::new();
    for verdict in &spec.verdicts {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = log::chain(&port.tap, spec, direction, *verdict);
            entries.push((Key::Chain(Chain::Log(tap(), direction, *verdict)), Value::Text(rules)));
        }
    }
    if spec.verdicts.contains(&Verdict::Dropped) {
        let chain = Chain::Refused(tap());
        let verdict = Value::Verdict(format!("jump {chain}"));
        entries.push((Key::Element(Element::LogRefused(tap())), verdict));
        entries.push((Key::Chain(chain), Value::Text(log::refused_chain(&port.tap, spec))));
    }
    entries
}

/// How many flows it has room for, each way: by its MAC addresses, or with all other ports of the network without
/// port security.
fn room(port: &PortSpec, vni: Vni, room: Value) -> Entries {
    let of = if port.is_secured { macs(port).into_iter().map(Some).collect() } else { vec![None] };
    let both = |mac| [Direction::Egress, Direction::Ingress].map(|way| (Element::Flows(vni, mac, way), room.clone()));
    of.into_iter().flat_map(both).map(|(element, room)| (Key::Element(element), room)).collect()
}

fn verdicts(port: &PortSpec, vni: Vni, sends: String, gets: String) -> Entries {
    let of_mac = |mac| {
        [
            (Key::Element(Element::Sender(vni, mac)), Value::Verdict(sends.clone())),
            (Key::Element(Element::Receiver(vni, mac)), Value::Verdict(gets.clone())),
        ]
    };
    macs(port).into_iter().flat_map(of_mac).collect()
}

/// A port keeps no state where all its groups are stateless; one stateful group makes it stateful.
pub fn is_stateless(groups: &[SecurityGroupId], desired: &Desired) -> bool {
    let stateless = |group| desired.security_groups.get(group).is_some_and(|spec| !spec.is_stateful);
    !groups.is_empty() && groups.iter().all(stateless)
}
