//! The reference: which packets a set of rules lets through. Small and obviously right, not fast.

use super::{Direction, Ethertype, IcmpType, Protocol, Remote, Rule};
use crate::{AddressSetId, SecurityGroupId};
use std::net::IpAddr;

/// A packet that begins a conversation, as the port's instance gets or sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Whether the port's instance gets or sends it.
    pub direction: Direction,
    /// The other end: its source where the instance gets it, its destination where it sends it.
    pub remote: IpAddr,
    /// The protocol above IP.
    pub protocol: Protocol,
    /// What of its own header rules can name.
    pub payload: Payload,
}

/// What rules can name of the header above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The destination port, of protocols that have ports.
    Port(u16),
    /// Type and code, of ICMP and ICMPv6.
    Icmp(u8, u8),
    /// Nothing.
    Other,
}

/// Who is in which group, and which addresses are in which set.
pub trait Remotes {
    /// True where the address is that of a member of the group on the packet's network.
    fn is_member(&self, group: SecurityGroupId, address: IpAddr) -> bool;
    /// True where the address is in the set.
    fn is_in_set(&self, set: AddressSetId, address: IpAddr) -> bool;
}

/// True where one of the rules lets the packet through. Nothing else does.
pub fn allows<'a>(rules: impl IntoIterator<Item = &'a Rule>, packet: &Packet, remotes: &impl Remotes) -> bool {
    rules.into_iter().any(|rule| matches(rule, packet, remotes))
}

fn matches(rule: &Rule, packet: &Packet, remotes: &impl Remotes) -> bool {
    let rule = rule.as_ref();
    rule.direction == packet.direction
        && rule.ethertype == Ethertype::of(packet.remote)
        && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
        && rule.ports.is_none_or(|ports| matches!(packet.payload, Payload::Port(port) if ports.contains(port)))
        && rule.icmp.is_none_or(|icmp| is_message(icmp, packet.payload))
        && is_remote(rule.remote, packet.remote, remotes)
}

fn is_message(wanted: IcmpType, payload: Payload) -> bool {
    let Payload::Icmp(kind, code) = payload else { return false };
    wanted.kind == kind && wanted.code.is_none_or(|wanted| wanted == code)
}

fn is_remote(wanted: Remote, address: IpAddr, remotes: &impl Remotes) -> bool {
    match wanted {
        Remote::Any => true,
        Remote::Cidr(range) => range.contains(address),
        Remote::Group(group) => remotes.is_member(group, address),
        Remote::AddressSet(set) => remotes.is_in_set(set, address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security_group::{PortRange, RuleParts};

    struct Nobody;
    impl Remotes for Nobody {
        fn is_member(&self, _: SecurityGroupId, address: IpAddr) -> bool {
            address == IpAddr::from([10, 0, 0, 2])
        }
        fn is_in_set(&self, _: AddressSetId, _: IpAddr) -> bool {
            false
        }
    }

    fn tcp(remote: Remote) -> Rule {
        let (direction, ethertype) = (Direction::Ingress, Ethertype::Ipv4);
        let ports = Some(PortRange { from: 80, to: 81 });
        let parts = RuleParts { direction, ethertype, protocol: Some(Protocol::TCP), ports, icmp: None, remote };
        Rule::try_from(parts).unwrap()
    }

    fn packet(from: &str, protocol: Protocol, payload: Payload) -> Packet {
        Packet { direction: Direction::Ingress, remote: from.parse().unwrap(), protocol, payload }
    }

    #[test]
    fn every_condition_counts() {
        let syn = packet("10.0.0.2", Protocol::TCP, Payload::Port(80));
        let any = [tcp(Remote::Any)];
        assert!(allows(&any, &syn, &Nobody));
        assert!(!allows(&[], &syn, &Nobody), "no rule, no way");
        for other in [
            Packet { direction: Direction::Egress, ..syn },
            packet("10.0.0.2", Protocol::UDP, Payload::Port(80)),
            packet("10.0.0.2", Protocol::TCP, Payload::Port(82)),
            packet("fd00::2", Protocol::TCP, Payload::Port(80)),
        ] {
            assert!(!allows(&any, &other, &Nobody), "{other:?}");
        }
        for (remote, expected) in [
            (Remote::Cidr("10.0.0.0/24".parse().unwrap()), true),
            (Remote::Cidr("10.0.1.0/24".parse().unwrap()), false),
            (Remote::Group(SecurityGroupId::new()), true),
            (Remote::AddressSet(AddressSetId::new()), false),
        ] {
            assert_eq!(allows(&[tcp(remote)], &syn, &Nobody), expected, "{remote:?}");
        }
    }
}
