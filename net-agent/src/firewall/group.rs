//! What a port and what a group allows, as the rules of a chain. Pure.
//!
//! ```text
//!   senders ──bridge . MAC──> out_TAP ──jump──> out_GROUP   (each rule accepts)
//!                                │──jump──> out_GROUP
//!                                └──> drop                  (no rule of any group accepted)
//! ```
//!
//! and `receivers`, `in_TAP`, `in_GROUP` likewise.

use super::element::{address_sets, member_sets};
use crate::object::Chain;
use ipnetwork::IpNetwork;
use iroko_agent_wire::{AddressSetSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::security_group::{Direction, Ethertype, IcmpType, PortRange, Protocol, Remote, RuleParts};
use iroko_model::{SecurityGroupId, SecurityGroupRuleId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rules of a port's chain, a line each.
pub fn port_chain(groups: &[SecurityGroupId], direction: Direction) -> String {
    jumps(groups, direction) + "counter drop\n"
}

/// To the chains of the groups, a line each.
pub fn jumps(groups: &[SecurityGroupId], direction: Direction) -> String {
    groups.iter().map(|group| format!("jump {}\n", Chain::Group(*group, direction))).collect()
}

/// The rules of a group's chain, a line each, in the order of their ids.
pub fn group_chain(group: &SecurityGroupSpec, direction: Direction) -> String {
    rules(group, direction, |_| "accept".to_owned())
}

/// The rules of a group, a line each, with what becomes of that which a rule allows.
pub fn rules(
    group: &SecurityGroupSpec,
    direction: Direction,
    verdict: impl Fn(SecurityGroupRuleId) -> String,
) -> String {
    let mut rules: Vec<&RuleSpec> =
        group.rules.iter().filter(|spec| spec.rule.as_ref().direction == direction).collect();
    rules.sort_by_key(|spec| spec.id);
    rules.into_iter().map(|spec| rule(spec, &verdict(spec.id)) + "\n").collect()
}

fn rule(spec: &RuleSpec, verdict: &str) -> String {
    let rule = spec.rule.as_ref();
    let mut words = vec![remote(rule)];
    words.extend(protocol(rule));
    words.push(format!("counter {verdict} comment \"{}\"", spec.id));
    words.join(" ")
}

fn remote(rule: &RuleParts) -> String {
    let end = if rule.direction == Direction::Ingress { "saddr" } else { "daddr" };
    let (ip, index) = if rule.ethertype == Ethertype::Ipv4 { ("ip", 0) } else { ("ip6", 1) };
    match rule.remote {
        Remote::Cidr(range) if range.prefix() > 0 => format!("{ip} {end} {range}"),
        Remote::Any | Remote::Cidr(_) => format!("meta nfproto {}", rule.ethertype),
        Remote::Group(group) => format!("iifname . {ip} {end} @{}", member_sets(group)[index]),
        Remote::AddressSet(set) => format!("{ip} {end} @{}", address_sets(set)[index]),
    }
}

fn protocol(rule: &RuleParts) -> Option<String> {
    let protocol = rule.protocol?;
    Some(match (rule.ports, rule.icmp) {
        (Some(PortRange { from: 0, to: u16::MAX }), _) | (None, None) => {
            format!("meta l4proto {}", protocol.number())
        }
        (Some(PortRange { from, to }), _) if from == to => format!("{protocol} dport {from}"),
        (Some(PortRange { from, to }), _) => format!("{protocol} dport {from}-{to}"),
        (None, Some(icmp)) => message(protocol, icmp),
    })
}

fn message(protocol: Protocol, IcmpType { kind, code }: IcmpType) -> String {
    let kind = format!("{protocol} type {kind}");
    code.map_or_else(|| kind.clone(), |code| format!("{kind} {protocol} code {code}"))
}

/// The addresses of a set as ranges that are sorted and do not touch.
pub fn ranges(set: &AddressSetSpec) -> Vec<(IpAddr, IpAddr)> {
    let (four, six): (Vec<_>, Vec<_>) = set.cidrs.iter().partition(|range| range.is_ipv4());
    let four = merged(&four, |n| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap_or(u32::MAX))));
    four.into_iter().chain(merged(&six, |n| IpAddr::V6(Ipv6Addr::from(n)))).collect()
}

fn merged(cidrs: &[&IpNetwork], address: impl Fn(u128) -> IpAddr) -> Vec<(IpAddr, IpAddr)> {
    let mut all: Vec<(u128, u128)> =
        cidrs.iter().map(|range| (number(range.network()), number(range.broadcast()))).collect();
    all.sort_unstable();
    let mut apart: Vec<(u128, u128)> = Vec::new();
    for (first, last) in all {
        match apart.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => apart.push((first, last)),
        }
    }
    apart.into_iter().map(|(first, last)| (address(first), address(last))).collect()
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::AddressSetId;

    #[test]
    fn ranges_are_sorted_and_apart() {
        let cidrs = ["10.0.1.0/24", "10.0.0.0/24", "10.0.0.7/32", "255.0.0.0/8", "10.0.3.0/24", "fd00::/64", "::/0"];
        let cidrs = cidrs.map(|text| text.parse().unwrap()).to_vec();
        let got = ranges(&AddressSetSpec { id: AddressSetId::new(), generation: 1, cidrs });
        let range = |first: &str, last: &str| (first.parse().unwrap(), last.parse().unwrap());
        let expected = vec![
            range("10.0.0.0", "10.0.1.255"),
            range("10.0.3.0", "10.0.3.255"),
            range("255.0.0.0", "255.255.255.255"),
            range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ];
        assert_eq!(got, expected);
    }
}
