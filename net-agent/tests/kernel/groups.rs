//! Security groups on the real kernel: what passes, what a change touches, what is mended.

use crate::frame::{ACK, SYN, arp, ethernet, icmp4, icmp6, ip4, is_tcp, sctp_init, tcp4, tcp6, udp4, udp6};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{AddressSetSpec, Change, MemberSpec, Object, ObjectKey, PortSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::security_group::{Direction, Ethertype, IcmpType, PortRange, Protocol, Remote, Rule, RuleParts};
use iroko_model::{AddressSetId, SecurityGroupId, SecurityGroupRuleId};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

pub fn six(port: &PortSpec) -> Ipv6Addr {
    port.addresses.iter().find_map(|ip| if let IpAddr::V6(v6) = ip { Some(*v6) } else { None }).unwrap()
}

pub fn rule(direction: Direction, ethertype: Ethertype, protocol: Option<Protocol>, ports: Option<u16>) -> RuleParts {
    let ports = ports.map(|port| PortRange { from: port, to: port });
    RuleParts { direction, ethertype, protocol, ports, icmp: None, remote: Remote::Any }
}

pub fn group(rules: Vec<RuleParts>) -> SecurityGroupSpec {
    let rule = |parts| RuleSpec { id: SecurityGroupRuleId::new(), rule: Rule::try_from(parts).unwrap() };
    SecurityGroupSpec {
        id: SecurityGroupId::new(),
        generation: 1,
        is_stateful: true,
        rules: rules.into_iter().map(rule).collect(),
    }
}

/// Rules that let everything out, of both families.
pub fn all_out() -> Vec<RuleParts> {
    [Ethertype::Ipv4, Ethertype::Ipv6].map(|family| rule(Direction::Egress, family, None, None)).to_vec()
}

pub fn set_group(spec: &SecurityGroupSpec) -> Change {
    Change::Set(Object::SecurityGroup(Arc::new(spec.clone())))
}

pub fn member(group_id: SecurityGroupId, port: &PortSpec) -> Change {
    Change::Set(Object::Member(Arc::new(MemberSpec {
        group_id,
        port_id: port.id,
        network_id: port.network_id,
        mac: port.mac,
        addresses: port.addresses.clone(),
    })))
}

fn set_addresses(id: AddressSetId, cidrs: &[&str]) -> Change {
    let cidrs = cidrs.iter().map(|text| text.parse().unwrap()).collect();
    Change::Set(Object::AddressSet(Arc::new(AddressSetSpec { id, generation: 1, cidrs })))
}

/// An instance on each of two hosts: the first may send all, the second is in `group`.
pub struct Pair {
    pub hosts: (Host, Host),
    pub ports: (PortSpec, PortSpec),
    pub guests: (Guest, Guest),
}

impl Pair {
    pub fn new(vni: u32, first: &SecurityGroupSpec, second: &SecurityGroupSpec) -> Self {
        let (hosts, net) = (Host::pair(), Net::new(vni));
        let mut ports = (net.port(10), net.port(20));
        ports.0.security_group_ids = Some(vec![first.id]);
        ports.1.security_group_ids = Some(vec![second.id]);
        for (here, there, mine, theirs, spec) in
            [(&hosts.0, &hosts.1, &ports.0, &ports.1, first), (&hosts.1, &hosts.0, &ports.1, &ports.0, second)]
        {
            let seen = here.change(vec![net.set(), set_port(mine), peer(theirs, there), set_group(spec)]);
            assert!(!seen.outstanding, "{}", here.outstanding());
        }
        let guests = (Guest::boot(&hosts.0, &ports.0), Guest::boot(&hosts.1, &ports.1));
        Self { hosts, ports, guests }
    }

    /// Whether the second gets what the first sends. What it surely gets is sent after it.
    pub fn passes(&mut self, packet: &[u8], family: u16, text: &[u8]) -> bool {
        let (one, two) = (&mut self.guests.0, &mut self.guests.1);
        let frame = |family, packet: &[u8]| ethernet(two.mac, one.mac, family, packet);
        let (first, marker) = (frame(family, packet), marker(&self.ports.0, &self.ports.1));
        one.send(&first);
        one.send(&marker);
        let mut came = false;
        two.expect("the marker", |seen| {
            came |= contains(seen, text);
            contains(seen, b"the-marker").then_some(came)
        })
    }
}

impl Pair {
    /// Whether the first gets what the second sends over IPv4. The marker answers the other way's.
    pub fn passes_back(&mut self, packet: &[u8], text: &[u8]) -> bool {
        let (one, two) = (&mut self.guests.0, &mut self.guests.1);
        let (first, second) = (&self.ports.0, &self.ports.1);
        one.send(&marker(first, second));
        two.expect("the marker there", |seen| contains(seen, b"the-marker").then_some(()));
        two.send(&ethernet(one.mac, two.mac, 0x800, packet));
        two.send(&ethernet(one.mac, two.mac, 0x86dd, &udp6((six(second), 9), (six(first), 9), b"the-marker")));
        let mut came = false;
        one.expect("the marker back", |seen| {
            came |= contains(seen, text);
            contains(seen, b"the-marker").then_some(came)
        })
    }
}

/// A datagram that both sides' groups of these tests always allow: to port 9.
pub fn marker(from: &PortSpec, to: &PortSpec) -> Vec<u8> {
    ethernet(to.mac, from.mac, 0x86dd, &udp6((six(from), 9), (six(to), 9), b"the-marker"))
}

pub fn marker_rule() -> RuleParts {
    rule(Direction::Ingress, Ethertype::Ipv6, Some(Protocol::UDP), Some(9))
}

fn is_quiet(host: &Host) {
    let again = host.full();
    assert_eq!((again.actions, again.outstanding), (0, false), "{}", host.outstanding());
}

/// Each kind of rule, in both directions, both families, from one host to the other: what is named
/// passes and its neighbour does not.
#[test]
fn each_kind_of_rule_in_both_directions() {
    needs_kernel!();
    let (ingress, egress) = (Direction::Ingress, Direction::Egress);
    let mut allowed = Vec::new();
    for (family, icmp) in [(Ethertype::Ipv4, Protocol::ICMP), (Ethertype::Ipv6, Protocol::ICMPV6)] {
        for (protocol, ports) in [(Protocol::TCP, 80), (Protocol::UDP, 53), (Protocol::SCTP, 7)] {
            allowed.push(rule(ingress, family, Some(protocol), Some(ports)));
        }
        allowed.push(rule(ingress, family, Some(Protocol::new(47)), None));
        let kind = if family == Ethertype::Ipv4 { 8 } else { 128 };
        let icmp_rule = rule(ingress, family, Some(icmp), None);
        allowed.push(RuleParts { icmp: Some(IcmpType { kind, code: Some(0) }), ..icmp_rule });
        let range = rule(ingress, family, Some(Protocol::UDP), None);
        allowed.push(RuleParts { ports: Some(PortRange { from: 1000, to: 1999 }), ..range });
    }
    allowed.push(marker_rule());
    let out: Vec<_> = allowed.iter().map(|parts| RuleParts { direction: egress, ..parts.clone() }).collect();
    let all_in = [Ethertype::Ipv4, Ethertype::Ipv6].map(|family| rule(ingress, family, None, None)).to_vec();
    for (vni, first, second) in [(0x401, group(all_out()), group(allowed)), (0x402, group(out), group(all_in))] {
        let mut pair = Pair::new(vni, &first, &second);
        let (a, b) = (pair.guests.0.ip, pair.guests.1.ip);
        let (a6, b6) = (six(&pair.ports.0), six(&pair.ports.1));
        for (what, family, packet, expected) in [
            ("tcp 80", 0x800, tcp4((a, 1), (b, 80), (7, 0), SYN), true),
            ("tcp 81", 0x800, tcp4((a, 1), (b, 81), (7, 0), SYN), false),
            ("tcp6 80", 0x86dd, tcp6((a6, 1), (b6, 80), (7, 0), SYN), true),
            ("tcp6 81", 0x86dd, tcp6((a6, 1), (b6, 81), (7, 0), SYN), false),
            ("udp 53", 0x800, udp4((a, 1), (b, 53), b"x"), true),
            ("udp 54", 0x800, udp4((a, 1), (b, 54), b"x"), false),
            ("udp6 53", 0x86dd, udp6((a6, 1), (b6, 53), b"x"), true),
            ("udp6 54", 0x86dd, udp6((a6, 1), (b6, 54), b"x"), false),
            ("udp 1000", 0x800, udp4((a, 1), (b, 1000), b"x"), true),
            ("udp 1999", 0x800, udp4((a, 1), (b, 1999), b"x"), true),
            ("udp 2000", 0x800, udp4((a, 1), (b, 2000), b"x"), false),
            ("sctp 7", 0x800, ip4(132, a, b, &sctp_init(1, 7)), true),
            ("gre", 0x800, ip4(47, a, b, b"\0\0\0\0abcd"), true),
            ("protocol 50", 0x800, ip4(50, a, b, b"12345678"), false),
            ("echo", 0x800, icmp4(a, b, &[8, 0, 0, 0, 0, 1, 0, 1]), true),
            ("timestamp", 0x800, icmp4(a, b, &[&[13, 0, 0, 0, 0, 2, 0, 1][..], &[0; 12]].concat()), false),
            ("echo6", 0x86dd, icmp6(a6, b6, &[128, 0, 0, 0, 0, 1, 0, 1]), true),
            ("mode6", 0x86dd, icmp6(a6, b6, &[144, 0, 0, 0, 0, 1, 0, 1]), false),
        ] {
            // What is in the packet stays as it is on its way, all of it beyond its first bytes.
            let text = packet[8..].to_vec();
            assert_eq!(pair.passes(&packet, family, &text), expected, "{what} with {vni:#x}");
        }
    }
}

/// Members and ranges: one more is one more element, and nothing else moves.
#[test]
fn members_and_address_sets_change_one_by_one() {
    needs_kernel!();
    let (friends, places) = (SecurityGroupId::new(), AddressSetId::new());
    let from = |remote, port| RuleParts {
        remote,
        ..rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(port))
    };
    let (first, second) = (
        group(all_out()),
        group(vec![from(Remote::Group(friends), 1), from(Remote::AddressSet(places), 2), marker_rule()]),
    );
    let mut pair = Pair::new(0x403, &first, &second);
    let (a, b) = (pair.guests.0.ip, pair.guests.1.ip);
    let datagram = |port, text: &str| udp4((a, 7000), (b, port), text.as_bytes());
    assert!(!pair.passes(&datagram(1, "early"), 0x800, b"early"));
    assert!(!pair.passes(&datagram(2, "early"), 0x800, b"early"));

    let handles = |host: &Host| {
        host.sh("nft -a list ruleset | grep -v 'ikbr.* \\. \\|elements' | sed 's/counter packets [0-9]* bytes [0-9]*//; s/packets [0-9]* bytes [0-9]*//'")
    };
    let before = handles(&pair.hosts.1);
    let seen = pair.hosts.1.change(vec![member(friends, &pair.ports.0)]);
    assert_eq!((seen.actions, seen.outstanding), (3, false), "an IPv4, an IPv6 and a link-local address");
    assert!(pair.passes(&datagram(1, "a member"), 0x800, b"a member"));
    let seen = pair.hosts.1.change(vec![set_addresses(places, &["10.0.0.0/29", "10.0.0.8/29", "fd00:7::/64"])]);
    assert_eq!((seen.actions, seen.outstanding), (1, false));
    assert!(pair.passes(&datagram(2, "a place"), 0x800, b"a place"));
    assert_eq!(handles(&pair.hosts.1), before, "no rule and no chain was touched");
    is_quiet(&pair.hosts.1);

    pair.hosts.1.change(vec![Change::Gone(ObjectKey::Member(friends, pair.ports.0.id))]);
    pair.hosts.1.change(vec![set_addresses(places, &["10.0.0.0/29"])]);
    assert!(!pair.passes(&datagram(1, "gone"), 0x800, b"gone"));
    assert!(!pair.passes(&datagram(2, "gone"), 0x800, b"gone"));
    assert_eq!(handles(&pair.hosts.1), before);
    is_quiet(&pair.hosts.1);
}

/// A rule that changes touches the chain it is in.
#[test]
fn a_changed_rule_touches_one_chain_and_a_group_that_goes_leaves_nothing() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x404));
    let (mut one, mut two) = (group(all_out()), group(vec![marker_rule()]));
    let mut port = net.port(10);
    port.security_group_ids = Some(vec![one.id, two.id]);
    host.change(vec![net.set(), set_port(&port), set_group(&one), set_group(&two)]);
    is_quiet(&host);
    two.rules.extend(group(vec![rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::TCP), Some(22))]).rules);
    assert_eq!(host.change(vec![set_group(&two)]).actions, 1);
    host.restart();
    is_quiet(&host);

    one.is_stateful = false;
    assert_eq!(host.change(vec![set_group(&one)]).actions, 0, "the other group keeps state");
    two.is_stateful = false;
    assert_eq!(
        host.change(vec![set_group(&two)]).actions,
        3,
        "now the port keeps none: its tap's two chains say so, and an element"
    );
    is_quiet(&host);

    port.security_group_ids = Some(vec![one.id]);
    let left = host.change(vec![set_port(&port), Change::Gone(ObjectKey::SecurityGroup(two.id))]);
    assert!(!left.outstanding, "{}", host.outstanding());
    let rules = host.sh("nft list ruleset");
    assert!(!rules.contains(&two.id.as_uuid().simple().to_string()), "{rules}");
    is_quiet(&host);
    host.change(vec![Change::Gone(ObjectKey::Port(port.id)), Change::Gone(ObjectKey::SecurityGroup(one.id))]);
    is_quiet(&host);
    assert!(!host.sh("nft list ruleset").contains("chain out_"), "nothing is left");
}

/// What a hand did is found, and only that is mended.
#[test]
fn tampering_is_found_and_mended() {
    needs_kernel!();
    let (host, net, friends) = (Host::new(1), Net::new(0x405), SecurityGroupId::new());
    let places = AddressSetId::new();
    let remote = |remote| RuleParts { remote, ..rule(Direction::Ingress, Ethertype::Ipv4, None, None) };
    let spec = group(vec![remote(Remote::Group(friends)), remote(Remote::AddressSet(places)), marker_rule()]);
    let mut port = net.port(10);
    port.security_group_ids = Some(vec![spec.id]);
    let other = net.port(20);
    let told = vec![net.set(), set_port(&port), set_group(&spec), member(friends, &other)];
    host.change([told, vec![set_addresses(places, &["192.0.2.0/24"])]].concat());
    is_quiet(&host);
    let (id, tap, bridge) = (spec.id.as_uuid().simple(), &port.tap, net.vni().bridge());
    let (friends, places) = (friends.as_uuid().simple(), places.as_uuid().simple());
    for (harm, most) in [
        (format!("nft add rule inet ik in_{id} accept"), 1),
        (format!("nft insert rule inet ik in_{tap} accept"), 1),
        (format!("nft flush chain inet ik in_{tap}"), 1),
        (format!("nft add chain inet ik in_{}", SecurityGroupId::new().as_uuid().simple()), 1),
        (
            format!(
                "nft delete element inet ik receivers '{{ \"{bridge}\" . {} }}'; nft flush chain inet ik in_{tap}; nft delete chain inet ik in_{tap}",
                port.mac
            ),
            2,
        ),
        (format!("nft delete element inet ik g4_{friends} '{{ \"{bridge}\" . 10.0.0.20 }}'"), 1),
        (format!("nft add element inet ik g4_{friends} '{{ \"{bridge}\" . 10.0.0.21 }}'"), 1),
        (format!("nft add element inet ik a4_{places} '{{ 10.0.0.21 }}'"), 1),
        (
            format!(
                "nft delete element inet ik senders '{{ \"{bridge}\" . {0} }}'; nft add element inet ik senders '{{ \"{bridge}\" . {0} : accept }}'",
                port.mac
            ),
            2,
        ),
        (
            format!(
                "nft delete element bridge ik taps_from '{{ \"{tap}\" }}'; nft add element bridge ik taps_from '{{ \"{tap}\" : goto from_open }}'"
            ),
            2,
        ),
        (format!("nft insert rule bridge ik from_{tap} meta mark set 0x50 accept"), 1),
        (format!("nft flush chain bridge ik to_{tap}"), 1),
        ("nft add chain inet ik extra".to_owned(), 1000),
        ("nft flush ruleset".to_owned(), 1000),
    ] {
        host.sh(&harm);
        let mended = host.full();
        assert!(
            (1..=most).contains(&mended.actions) && !mended.outstanding,
            "{harm}: {mended:?} {}",
            host.outstanding()
        );
        is_quiet(&host);
    }
}

/// Answers come back through a stateful group and need a rule of their own in a stateless one.
#[test]
fn stateful_and_stateless() {
    needs_kernel!();
    let tcp = |direction| rule(direction, Ethertype::Ipv4, Some(Protocol::TCP), Some(80));
    for stateful in [true, false] {
        let mut server = group(vec![tcp(Direction::Ingress), marker_rule()]);
        server.is_stateful = stateful;
        let mut pair = Pair::new(if stateful { 0x406 } else { 0x407 }, &group(all_out()), &server);
        let (a, b) = ((pair.guests.0.ip, 40000), (pair.guests.1.ip, 80));
        let syn = tcp4(a, b, (100, 0), SYN);
        assert!(pair.passes(&syn, 0x800, &syn[8..]));
        let answer = tcp4(b, a, (200, 101), SYN | ACK);
        let (one, two) = (&mut pair.guests.0, &mut pair.guests.1);
        two.send(&ethernet(one.mac, two.mac, 0x800, &answer));
        if stateful {
            one.expect("the answer", |frame| is_tcp(frame, SYN | ACK).then_some(()));
            continue;
        }
        let counted = pair.hosts.1.sh(&format!("nft list chain inet ik out_{}", pair.ports.1.tap));
        assert!(counted.contains("counter packets 1 "), "the answer ended in the port's chain: {counted}");
    }
}

/// Marks are between our two tables: the host routes the tunnel's packets by its own.
#[test]
fn the_tunnel_bears_no_mark_of_ours() {
    needs_kernel!();
    let mut stateless = group([all_out(), vec![marker_rule()]].concat());
    stateless.is_stateful = false;
    for (vni, sender, is_secured) in
        [(0x416, group(all_out()), true), (0x417, stateless, true), (0x418, group(vec![]), false)]
    {
        let receiver = group(vec![rule(Direction::Ingress, Ethertype::Ipv4, None, None), marker_rule()]);
        let mut pair = Pair::new(vni, &sender, &receiver);
        let mut port = pair.ports.0.clone();
        port.is_secured = is_secured;
        assert!(!pair.hosts.0.change(vec![set_port(&port)]).outstanding);
        pair.hosts.0.sh("nft add table inet probe
             nft add chain inet probe out '{ type filter hook output priority 0; }'
             nft add rule inet probe out udp dport 4789 counter
             nft add rule inet probe out udp dport 4789 meta mark != 0 counter");
        let (a, b) = (pair.guests.0.ip, pair.guests.1.ip);
        // Each time the first packet of a flow and one of a flow that is known, IPv4 and IPv6.
        for text in ["first", "second"] {
            assert!(pair.passes(&udp4((a, 7000), (b, 7000), text.as_bytes()), 0x800, text.as_bytes()), "{vni:x}");
        }
        let (one, two) = (&mut pair.guests.0, &mut pair.guests.1);
        one.send(&ethernet(two.mac, one.mac, 0x0806, &arp(2, (one.mac, one.ip), (two.mac, two.ip))));
        two.expect("the ARP answer", |frame| (frame[12..14] == [8, 6]).then_some(()));
        let counts = pair.hosts.0.sh("nft list chain inet probe out | grep -o 'packets [0-9]*'");
        let counts: Vec<u32> = counts.lines().map(|line| line["packets ".len()..].parse().unwrap()).collect();
        assert!(counts[0] >= 5 && counts[1] == 0, "{vni:x}: {counts:?}");
    }
}

/// A rule that goes cuts what it had let in, in both directions; other flows lose nothing, and a
/// rule that comes back lets the flow go on.
#[test]
fn a_rule_that_goes_cuts_its_flows_and_no_others() {
    needs_kernel!();
    let udp = |port| rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(port));
    let tcp = rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::TCP), Some(80));
    let whole = group([vec![udp(54), udp(53), tcp, marker_rule()], all_out()].concat());
    let mut pair = Pair::new(0x408, &group(all_out()), &whole);
    let (a, b) = (pair.guests.0.ip, pair.guests.1.ip);
    let (client, server) = ((a, 40000), (b, 80));
    let syn = tcp4(client, server, (100, 0), SYN);
    assert!(pair.passes(&syn, 0x800, &syn[8..]));
    let syn_ack = tcp4(server, client, (200, 101), SYN | ACK);
    assert!(pair.passes_back(&syn_ack, &syn_ack[8..]));
    let (there, back) = (tcp4(client, server, (101, 201), ACK), tcp4(server, client, (201, 101), ACK));
    let datagram = |port, text: &str| udp4((a, 7000), (b, port), text.as_bytes());
    let answer = |port, text: &str| udp4((b, port), (a, 7000), text.as_bytes());
    let all = |pair: &mut Pair, open: bool, round: &str| {
        let text = format!("{round}-{open}");
        assert_eq!(pair.passes(&there, 0x800, &there[8..]), open, "TCP there, {round}");
        assert_eq!(pair.passes_back(&back, &back[8..]), open, "TCP back, {round}");
        assert_eq!(pair.passes(&datagram(53, &text), 0x800, text.as_bytes()), open, "UDP there, {round}");
        assert_eq!(pair.passes_back(&answer(53, &text), text.as_bytes()), open, "UDP back, {round}");
        assert!(pair.passes(&datagram(54, &text), 0x800, text.as_bytes()), "what is allowed goes on, {round}");
        assert!(pair.passes_back(&answer(54, &text), text.as_bytes()), "in both directions, {round}");
    };
    all(&mut pair, true, "before");

    let mut less = whole.clone();
    less.rules.retain(|spec| {
        let rule = spec.rule.as_ref();
        rule.direction == Direction::Egress || rule.ports.is_none_or(|ports| ![53, 80].contains(&ports.from))
    });
    assert!(!pair.hosts.1.change(vec![set_group(&less)]).outstanding);
    all(&mut pair, false, "without the rules");
    pair.hosts.1.restart();
    is_quiet(&pair.hosts.1);
    all(&mut pair, false, "with a new agent");
    assert!(!pair.hosts.1.change(vec![set_group(&whole)]).outstanding);
    all(&mut pair, true, "with the rules again");

    // A flow that is forgotten cannot be taken up in its middle by the side that may begin one.
    let counted = |host: &Host| host.sh("nft list counter inet ik not_begun | grep -o 'packets [0-9]*'");
    let before = counted(&pair.hosts.1);
    let stray = tcp4((b, 8080), (a, 40001), (900, 901), ACK);
    assert!(!pair.passes_back(&stray, &stray[8..]));
    assert_ne!(counted(&pair.hosts.1), before);
}
