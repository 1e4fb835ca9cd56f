//! Random groups and random packets: the kernel's verdict is that of the model's reference function.
//!
//! One host, one port in the groups and one without port security that plays the whole world: what
//! it sends comes from any address, and it gets whatever leaves. Packets of protocols without ports
//! are one flow for each pair of addresses; as rules change from case to case, they also show that
//! flows are cut and go on.

use crate::frame::{SYN, arp, ethernet, icmp4, icmp6, ip4, ip6, sctp_init, tcp4, tcp6, udp4, udp6};
use crate::groups::{member, set_group, six};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, set_port};
use crate::needs_kernel;
use ipnetwork::IpNetwork;
use iroko_agent_wire::{AddressSetSpec, Change, ConnectionLogSpec, Object, PortSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::connection_log::Verdict;
use iroko_model::security_group::{
    Direction, Ethertype, IcmpType, Packet, Payload, PortRange, Protocol, Remote, Remotes, Rule, RuleParts, allows,
};
use iroko_model::{AddressSetId, MacAddress, PortId, SecurityGroupId, SecurityGroupRuleId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::Mutex;

const CASES: u32 = 24;
const PACKETS: usize = 60;
/// Remote addresses end in these; the even ones are sent to, the odd ones send.
const REMOTES: u8 = 8;

/// A random case: what each of two groups says, who is in two others, what is in two address sets.
#[derive(Debug, Clone)]
struct Case {
    rules: [Vec<RuleParts>; 2],
    members: [Vec<u8>; 2],
    sets: [Vec<IpNetwork>; 2],
    packets: Vec<Sent>,
}

/// A packet before it has an identity.
#[derive(Debug, Clone, Copy)]
struct Sent {
    direction: Direction,
    family: Ethertype,
    protocol: Protocol,
    remote: u8,
    port: u16,
    code: u8,
}

fn address(family: Ethertype, n: u8) -> IpAddr {
    match family {
        Ethertype::Ipv4 => Ipv4Addr::new(10, 1, 0, n).into(),
        Ethertype::Ipv6 => Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, n.into()).into(),
    }
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)]
}

fn families() -> impl Strategy<Value = Ethertype> {
    prop_oneof![Just(Ethertype::Ipv4), Just(Ethertype::Ipv6)]
}

fn protocols() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![1u8, 58, 6, 6, 17, 17, 132, 47, 50, 99]).prop_map(Protocol::new)
}

fn ranges() -> impl Strategy<Value = IpNetwork> {
    let v4 = (0..REMOTES, prop::sample::select(vec![0u8, 8, 29, 30, 31, 32]));
    let v6 = (0..REMOTES, prop::sample::select(vec![0u8, 16, 125, 126, 127, 128]));
    let range = |family| {
        move |(n, prefix): (u8, u8)| {
            let any = IpNetwork::new(address(family, n), prefix).unwrap();
            IpNetwork::new(any.network(), prefix).unwrap()
        }
    };
    prop_oneof![v4.prop_map(range(Ethertype::Ipv4)), v6.prop_map(range(Ethertype::Ipv6))]
}

fn remotes() -> impl Strategy<Value = Remote> {
    prop_oneof![
        Just(Remote::Any),
        ranges().prop_map(Remote::Cidr),
        (0..2u128).prop_map(|n| Remote::Group(friends(n))),
        (0..2u128).prop_map(|n| Remote::AddressSet(places(n))),
    ]
}

/// Parts of which those that make no sense are thrown away.
fn rules() -> impl Strategy<Value = RuleParts> {
    let ports = prop::option::of((1..6u16, 0..3u16).prop_map(|(from, more)| PortRange { from, to: from + more }));
    let icmp = (prop::sample::select(vec![8u8, 13, 128, 139]), prop::option::of(0..2u8));
    let icmp = prop::option::of(icmp.prop_map(|(kind, code)| IcmpType { kind, code }));
    (directions(), families(), prop::option::of(protocols()), ports, icmp, remotes())
        .prop_map(|(direction, ethertype, protocol, ports, icmp, remote)| {
            let ports = ports.filter(|_| protocol.is_some_and(|protocol| protocol.has_ports()));
            let icmp = icmp.filter(|_| protocol.is_some_and(|protocol| protocol.is_icmp()));
            RuleParts { direction, ethertype, protocol, ports, icmp, remote }
        })
        .prop_filter("makes sense", |parts| Rule::try_from(parts.clone()).is_ok())
}

fn packets() -> impl Strategy<Value = Sent> {
    (directions(), families(), protocols(), 0..REMOTES / 2, 1..8u16, 0..2u8).prop_map(
        |(direction, family, protocol, half, port, code)| {
            let odd = u8::from(direction == Direction::Ingress);
            let protocol = match (protocol, family) {
                (Protocol::ICMP | Protocol::ICMPV6, Ethertype::Ipv4) => Protocol::ICMP,
                (Protocol::ICMP | Protocol::ICMPV6, Ethertype::Ipv6) => Protocol::ICMPV6,
                (other, _) => other,
            };
            Sent { direction, family, protocol, remote: 2 * half + odd, port, code }
        },
    )
}

fn cases() -> impl Strategy<Value = Case> {
    let of_group = || prop::collection::vec(rules(), 0..6);
    let members = || prop::collection::vec(0..REMOTES, 0..5);
    let sets = || prop::collection::vec(ranges().prop_filter("not all", |range| range.prefix() > 0), 0..4);
    let packets = prop::collection::vec(packets(), PACKETS);
    ([of_group(), of_group()], [members(), members()], [sets(), sets()], packets)
        .prop_map(|(rules, members, sets, packets)| Case { rules, members, sets, packets })
}

fn friends(n: u128) -> SecurityGroupId {
    uuid::Uuid::from_u128(0xf0 + n).into()
}

fn places(n: u128) -> AddressSetId {
    uuid::Uuid::from_u128(0xa0 + n).into()
}

impl Remotes for Case {
    fn is_member(&self, group: SecurityGroupId, address: IpAddr) -> bool {
        let known = usize::from(group == friends(1));
        self.members[known]
            .iter()
            .any(|n| [Ethertype::Ipv4, Ethertype::Ipv6].map(|of| self::address(of, *n)).contains(&address))
    }

    fn is_in_set(&self, set: AddressSetId, address: IpAddr) -> bool {
        self.sets[usize::from(set == places(1))].iter().any(|range| range.contains(address))
    }
}

/// The host, and the instances on it.
struct World {
    host: Host,
    port: PortSpec,
    net: Net,
    guest: Guest,
    outside: Guest,
    members: Vec<PortId>,
    /// Makes every packet a flow of its own, where it can be.
    sent: u16,
}

impl World {
    fn new(log: Option<ConnectionLogSpec>) -> Self {
        let (host, net) = (Host::new(1), Net::new(0x501));
        let (mut port, mut outside) = (net.port(10), net.port(20));
        port.security_group_ids = Some(vec![group_id(0), group_id(1)]);
        port.connection_log = log;
        outside.is_secured = false;
        host.change(vec![net.set(), set_port(&port), set_port(&outside)]);
        let (guest, outside) = (Guest::boot(&host, &port), Guest::boot(&host, &outside));
        let members = (0..REMOTES).map(|_| PortId::new()).collect();
        Self { host, port, net, guest, outside, members, sent: 20_000 }
    }

    /// Tells the host all that a case says.
    fn tell(&self, case: &Case) {
        let groups = (0..2).map(|n| {
            let rule = |parts: &RuleParts| RuleSpec {
                id: SecurityGroupRuleId::new(),
                rule: Rule::try_from(parts.clone()).unwrap(),
            };
            let rules = case.rules[n].iter().map(rule).collect();
            set_group(&SecurityGroupSpec { id: group_id(n as u128), generation: 1, is_stateful: true, rules })
        });
        let sets = (0..2).map(|n| {
            let (id, cidrs) = (places(n as u128), case.sets[n].clone());
            Change::Set(Object::AddressSet(Arc::new(AddressSetSpec { id, generation: 1, cidrs })))
        });
        let members = (0..2).flat_map(|n| (0..REMOTES).map(move |of| (n, of))).map(|(n, of)| {
            let change = member(friends(n as u128), &self.instance(of));
            if case.members[n].contains(&of) { change } else { Change::Gone(change.key().unwrap()) }
        });
        let seen = self.host.change(groups.chain(sets).chain(members).collect());
        assert!(!seen.outstanding, "{}", self.host.outstanding());
    }

    fn instance(&self, n: u8) -> PortSpec {
        let mut instance = self.net.port(n);
        instance.id = self.members[usize::from(n)];
        instance.mac = MacAddress::local([9, 9, 9, 9, n]);
        instance.addresses = [Ethertype::Ipv4, Ethertype::Ipv6].map(|family| address(family, n)).to_vec();
        instance
    }

    /// The packet's bytes, no two the same.
    fn bytes(&mut self, sent: Sent) -> Vec<u8> {
        self.sent += 1;
        let (remote, own) = (address(sent.family, sent.remote), self.port.addresses.clone());
        let id = self.sent.to_be_bytes();
        let (from, to) = (self.sent, sent.port);
        let message = |kind| [&[kind, sent.code, 0, 0], &id[..], &[0, 1]].concat();
        match (remote, own[0], own[1]) {
            (IpAddr::V4(remote), IpAddr::V4(own), _) => {
                let (a, b) = if sent.direction == Direction::Ingress { (remote, own) } else { (own, remote) };
                match sent.protocol {
                    Protocol::TCP => tcp4((a, from), (b, to), (7, 0), SYN),
                    Protocol::UDP => udp4((a, from), (b, to), b"datagram"),
                    Protocol::ICMP => icmp4(a, b, &message(icmp_kind(sent))),
                    other => ip4(other.number(), a, b, &above(other, from, to)),
                }
            }
            (IpAddr::V6(remote), _, IpAddr::V6(own)) => {
                let (a, b) = if sent.direction == Direction::Ingress { (remote, own) } else { (own, remote) };
                match sent.protocol {
                    Protocol::TCP => tcp6((a, from), (b, to), (7, 0), SYN),
                    Protocol::UDP => udp6((a, from), (b, to), b"datagram"),
                    Protocol::ICMPV6 => icmp6(a, b, &message(icmp_kind(sent))),
                    other => ip6(other.number(), a, b, &above(other, from, to)),
                }
            }
            _ => unreachable!("the port has an address of each family"),
        }
    }

    /// Sends all packets and says of each whether it came.
    fn send(&mut self, packets: &[Sent]) -> Vec<bool> {
        let bytes: Vec<Vec<u8>> = packets.iter().map(|sent| self.bytes(*sent)).collect();
        let (guest, outside) = (&mut self.guest, &mut self.outside);
        for (sent, packet) in packets.iter().zip(&bytes) {
            let family = if sent.family == Ethertype::Ipv4 { 0x0800 } else { 0x86dd };
            if sent.direction == Direction::Ingress {
                outside.send(&ethernet(guest.mac, outside.mac, family, packet));
            } else {
                guest.send(&ethernet(outside.mac, guest.mac, family, packet));
            }
        }
        let mut came = vec![false; packets.len()];
        last(guest, outside, &bytes, &mut came);
        last(outside, guest, &bytes, &mut came);
        came
    }
}

/// Sends a frame that always passes and notes what comes before it.
fn last(from: &mut Guest, to: &mut Guest, bytes: &[Vec<u8>], came: &mut [bool]) {
    let answer = [arp(2, (from.mac, from.ip), (to.mac, to.ip)), b"the-last".to_vec()].concat();
    from.send(&ethernet(to.mac, from.mac, 0x0806, &answer));
    to.expect("the last frame", |frame| {
        if let Some(index) = bytes.iter().position(|packet| frame.get(14..) == Some(packet.as_slice())) {
            came[index] = true;
        }
        contains(frame, b"the-last").then_some(())
    });
}

/// Of SCTP a first chunk, as a flow begins; of all others some bytes that make it unique.
fn above(protocol: Protocol, from: u16, to: u16) -> Vec<u8> {
    if protocol == Protocol::SCTP {
        return sctp_init(from, to);
    }
    let [a, b] = from.to_be_bytes();
    vec![0, 0, 8, 0, a, b, 0, 0]
}

/// A message that may begin a flow: echo or timestamp, echo or node information (RFC 4620).
const fn icmp_kind(sent: Sent) -> u8 {
    match (sent.family, sent.port.is_multiple_of(2)) {
        (Ethertype::Ipv4, true) => 8,
        (Ethertype::Ipv4, false) => 13,
        (Ethertype::Ipv6, true) => 128,
        (Ethertype::Ipv6, false) => 139,
    }
}

fn packet(sent: Sent) -> Packet {
    let payload = match sent.protocol {
        Protocol::ICMP | Protocol::ICMPV6 => Payload::Icmp(icmp_kind(sent), sent.code),
        protocol if protocol.has_ports() => Payload::Port(sent.port),
        _ => Payload::Other,
    };
    let remote = address(sent.family, sent.remote);
    Packet { direction: sent.direction, remote, protocol: sent.protocol, payload }
}

fn group_id(n: u128) -> SecurityGroupId {
    uuid::Uuid::from_u128(1 + n).into()
}

#[test]
fn the_kernel_judges_as_the_model_does() {
    needs_kernel!();
    judges_as_the_model_does(None);
}

/// A log has a copy of the rules, and changes no verdict: not below its rate, and not above.
#[test]
fn with_a_log_it_judges_the_same() {
    needs_kernel!();
    let verdicts = Verdict::ALL.to_vec();
    judges_as_the_model_does(Some(ConnectionLogSpec { verdicts, records_per_second: 5 }));
}

fn judges_as_the_model_does(log: Option<ConnectionLogSpec>) {
    let world = Mutex::new(World::new(log));
    assert_eq!(six(&world.lock().unwrap().port).segments()[0], 0xfd00);
    let (passed, judged) = (Mutex::new(0), Mutex::new(0));
    let config = Config { cases: CASES, max_shrink_iters: 64, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        world.tell(&case);
        let rules: Vec<Rule> =
            case.rules.iter().flatten().map(|parts| Rule::try_from(parts.clone()).unwrap()).collect();
        let came = world.send(&case.packets);
        for (sent, came) in case.packets.iter().zip(came) {
            let expected = allows(&rules, &packet(*sent), &case);
            prop_assert_eq!(came, expected, "{:?}", sent);
            *judged.lock().unwrap() += 1;
            *passed.lock().unwrap() += usize::from(expected);
        }
        Ok(())
    });
    outcome.unwrap();
    let (passed, judged) = (*passed.lock().unwrap(), *judged.lock().unwrap());
    eprintln!("{judged} packets, {passed} of them allowed");
    assert!(passed > judged / 20 && passed < judged - judged / 20, "{passed} of {judged} say little");
}
