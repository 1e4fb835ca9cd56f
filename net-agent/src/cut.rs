//! Which flows go on and which are cut. Pure.
//!
//! A flow is judged by the packet that began it, with the rules as they are now, for each of its
//! ends that is a port of this host with stateful groups. It is cut where one of them would not
//! let that packet pass today, and goes on where a rule has come back. Flows with the network's
//! own service are nobody's to cut.
//!
//! What holds: once a pass has taken a change in, no packet of a flow that the rules no longer
//! allow passes in either direction; flows that are still allowed lose no packet. A cut flow
//! cannot go on from its other side: while packets come its entry stays and drops them; once it is
//! forgotten, TCP must begin anew, and a datagram the other way is a flow of its own, allowed only
//! where a rule for that direction allows it. Each full pass judges all flows again, so an agent
//! that dies between filter and flows leaves nothing open for longer than a period.

use crate::conntrack::Flow;
use crate::entries::{ranges, with_link_local, zone};
use crate::firewall::group;
use crate::object::{Chain, Element, Key, link_local, service_mac};
use crate::plan::Action;
use crate::port;
use ipnetwork::IpNetwork;
use iroko_agent_link::Desired;
use iroko_agent_wire::{NetworkSpec, PortSpec};
use iroko_model::security_group::{Direction, Packet, Remotes, Rule, allows};
use iroko_model::{AddressSetId, NetworkId, SecurityGroupId};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// What an action may mean for flows that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Those that were cut may go on; no other changes. A host whose flows are all uncut need not look.
    Restores,
    /// Each may be allowed no longer, or again.
    Any,
}

/// What an action may mean for flows.
pub fn effect(action: &Action) -> Effect {
    match action {
        Action::Ensure(Key::Element(Element::GroupMember(..)), _) => Effect::Restores,
        Action::Ensure(key, _) | Action::Remove(key, _) if is_judged_by(key) => Effect::Any,
        _ => Effect::Nothing,
    }
}

const fn is_judged_by(key: &Key) -> bool {
    match key {
        Key::Base | Key::AddressSet(_) => true,
        // That of a tap says whether its port keeps state.
        Key::Chain(chain) => matches!(chain, Chain::Group(..) | Chain::Port(..) | Chain::Tap(..)),
        Key::Element(element) => {
            matches!(element, Element::GroupMember(..) | Element::Sender(..) | Element::Receiver(..))
        }
        _ => false,
    }
}

/// What became of flows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// The flows whose mark is not as it must be, and how it must be.
    pub changes: Vec<(Flow, bool)>,
    /// How many are cut, those that were before included.
    pub cut: usize,
}

/// What flows are judged by.
#[derive(Debug)]
pub struct Judge {
    ports: Vec<Judged>,
    /// Ports by zone and address.
    by_address: HashMap<(u16, IpAddr), Vec<usize>>,
    /// Ports with ranges, by zone.
    by_range: HashMap<u16, Vec<(IpNetwork, usize)>>,
    services: HashSet<(u16, IpAddr)>,
    /// All other zones are not ours.
    zones: HashSet<u16>,
    members: HashMap<(SecurityGroupId, NetworkId), HashSet<IpAddr>>,
    sets: HashMap<AddressSetId, Vec<(IpAddr, IpAddr)>>,
}

#[derive(Debug)]
struct Judged {
    network: NetworkId,
    rules: Vec<Rule>,
}

impl Judge {
    /// By what is desired now.
    pub fn new(desired: &Desired) -> Self {
        let mut judge = Self {
            ports: Vec::new(),
            by_address: HashMap::new(),
            by_range: HashMap::new(),
            services: desired.networks.values().flat_map(|network| services(network)).collect(),
            zones: desired.networks.values().map(|network| zone(network.vni)).collect(),
            members: HashMap::new(),
            sets: desired.address_sets.values().map(|set| (set.id, group::ranges(set))).collect(),
        };
        for member in desired.members.values().flat_map(HashMap::values) {
            let ips = with_link_local(&member.addresses, member.mac);
            judge.members.entry((member.group_id, member.network_id)).or_default().extend(ips);
        }
        for port in desired.ports.values() {
            judge.take(port, desired);
        }
        judge
    }

    fn take(&mut self, port: &PortSpec, desired: &Desired) {
        let (Some(groups), Some(network)) = (&port.security_group_ids, desired.networks.get(&port.network_id)) else {
            return;
        };
        if !port.is_secured || port::is_stateless(groups, desired) {
            return;
        }
        let (zone, index) = (zone(network.vni), self.ports.len());
        for ip in with_link_local(&port.addresses, port.mac) {
            self.by_address.entry((zone, ip)).or_default().push(index);
        }
        let ranges = ranges(&port.allowed_address_pairs).into_iter().map(|range| (range, index));
        self.by_range.entry(zone).or_default().extend(ranges);
        let specs = groups.iter().filter_map(|group| desired.security_groups.get(group));
        let rules = specs.flat_map(|spec| spec.rules.iter().map(|rule| rule.rule.clone())).collect();
        self.ports.push(Judged { network: network.id, rules });
    }

    /// Each of these flows by what is desired.
    pub fn judge(&self, flows: Vec<Flow>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for flow in flows.into_iter().filter(|flow| self.zones.contains(&flow.zone)) {
            let cut = self.is_cut(&flow);
            verdicts.cut += usize::from(cut);
            if flow.is_cut != cut {
                verdicts.changes.push((flow, cut));
            }
        }
        verdicts
    }

    fn is_cut(&self, flow: &Flow) -> bool {
        let is_service = |ip| self.services.contains(&(flow.zone, ip));
        if is_service(flow.source) || is_service(flow.destination) {
            return false;
        }
        self.refuses(flow, flow.source, flow.destination, Direction::Egress)
            || self.refuses(flow, flow.destination, flow.source, Direction::Ingress)
    }

    /// True where ports of this host have the address and none of them lets the flow begin. There
    /// is more than one where ports share an address, or networks a zone.
    fn refuses(&self, flow: &Flow, local: IpAddr, remote: IpAddr, direction: Direction) -> bool {
        let exact = self.by_address.get(&(flow.zone, local)).into_iter().flatten().copied();
        let ranges = self.by_range.get(&flow.zone).into_iter().flatten();
        let in_range = ranges.filter(|(range, _)| range.contains(local)).map(|(_, index)| *index);
        let mut ports = exact.chain(in_range).map(|index| &self.ports[index]).peekable();
        let packet = Packet { direction, remote, protocol: flow.protocol, payload: flow.payload };
        ports.peek().is_some()
            && !ports.any(|port| allows(&port.rules, &packet, &Known { judge: self, network: port.network }))
    }
}

fn services(network: &NetworkSpec) -> Vec<(u16, IpAddr)> {
    let own = link_local(service_mac(network.vni)).into();
    network.subnets.iter().map(|subnet| subnet.service).chain([own]).map(|ip| (zone(network.vni), ip)).collect()
}

/// Who is who on one network.
struct Known<'a> {
    judge: &'a Judge,
    network: NetworkId,
}

impl Remotes for Known<'_> {
    fn is_member(&self, group: SecurityGroupId, address: IpAddr) -> bool {
        self.judge.members.get(&(group, self.network)).is_some_and(|members| members.contains(&address))
    }

    fn is_in_set(&self, set: AddressSetId, address: IpAddr) -> bool {
        let ranges = self.judge.sets.get(&set).into_iter().flatten();
        ranges
            .into_iter()
            .any(|(first, last)| first.is_ipv4() == address.is_ipv4() && *first <= address && address <= *last)
    }
}

#[cfg(test)]
mod tests;
