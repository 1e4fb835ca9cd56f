//! What a hostile guest tries, frame by frame, each with the counter that shows its end. The table
//! in `docs/operations/isolation.md` is this file's, word for word.

use crate::frame::{ACK, BROADCAST, arp, ethernet, fragments4, icmp6, ip6, neighbour, router_advert, tcp4, udp4, udp6};
use crate::groups::{Pair, all_out, group, marker, marker_rule, rule, set_group, six};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::PortSpec;
use iroko_model::MacAddress;
use iroko_model::port::AddressPair;
use iroko_model::security_group::{Direction, Ethertype, Protocol};
use iroko_net_agent::object::link_local;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an attack ends.
#[derive(Clone, Copy)]
enum End {
    /// A named counter of the sender's host.
    Sender(&'static str, &'static str),
    /// The last rule of the receiver's own chain.
    ReceiverRules,
    /// The kernel's own count of fragments that wait for others.
    Reassembly,
}

struct Attack {
    name: &'static str,
    frames: Vec<Vec<u8>>,
    end: End,
}

const TEXT: &[u8] = b"attack";
/// As an instance makes it that hides its MAC address (RFC 7217).
const PRIVATE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1c2d, 0x3e4f, 0x5a6b, 0x7c8d);

/// All attacks of the first guest of a pair upon the second.
fn attacks(pair: &Pair) -> Vec<Attack> {
    let all = [layer_two(pair), addresses(pair), neighbours(pair), servers(pair), hidden(pair), flows(pair)];
    all.into_iter().flatten().collect()
}

fn attack(name: &'static str, frame: Vec<u8>, family: &'static str, counter: &'static str) -> Attack {
    Attack { name, frames: vec![frame], end: End::Sender(family, counter) }
}

fn other() -> MacAddress {
    "02:00:00:00:00:63".parse().unwrap()
}

fn layer_two(pair: &Pair) -> Vec<Attack> {
    let (one, two) = (&pair.guests.0, &pair.guests.1);
    let inner = udp4((one.ip, 7000), (two.ip, 53), TEXT);
    let tagged = [&[0, 5, 8, 0][..], &inner].concat();
    let to_group = |octet| MacAddress::from_octets([1, 0x80, 0xc2, 0, 0, octet]);
    let vxlan = [&[8, 0, 0, 0, 0, 4, 9, 0][..], &ethernet(two.mac, one.mac, 0x0800, &inner)].concat();
    let IpAddr::V4(vtep) = pair.hosts.0.vtep else { unreachable!("the lab's VTEPs are IPv4") };
    let bridge: MacAddress = "0a:69:6b:00:04:09".parse().unwrap();
    vec![
        attack("another's MAC address", ethernet(two.mac, other(), 0x0800, &inner), "bridge", "spoofed_mac"),
        attack("802.1Q tag", ethernet(two.mac, one.mac, 0x8100, &tagged), "bridge", "other_ethertype"),
        attack("802.1ad tag", ethernet(two.mac, one.mac, 0x88a8, &tagged), "bridge", "other_ethertype"),
        attack(
            "LLC frame (802.3 length)",
            ethernet(two.mac, one.mac, 9, b"\x42\x42\x03attack"),
            "bridge",
            "other_ethertype",
        ),
        attack(
            "spanning tree BPDU",
            ethernet(to_group(0), one.mac, 9, b"\x42\x42\x03attack"),
            "bridge",
            "other_ethertype",
        ),
        attack("802.1X to the host", ethernet(to_group(3), one.mac, 0x888e, TEXT), "bridge", "to_host"),
        attack("unknown ethertype", ethernet(two.mac, one.mac, 0x88b5, TEXT), "bridge", "other_ethertype"),
        attack(
            "VXLAN packet to the host's own tunnel end",
            ethernet(bridge, one.mac, 0x0800, &udp4((one.ip, 4789), (vtep, 4789), &vxlan)),
            "bridge",
            "to_host",
        ),
    ]
}

fn addresses(pair: &Pair) -> Vec<Attack> {
    let (one, two) = (&pair.guests.0, &pair.guests.1);
    let (own6, theirs6) = (six(&pair.ports.0), six(&pair.ports.1));
    let stranger: Ipv4Addr = "10.0.0.99".parse().unwrap();
    let stranger6: Ipv6Addr = "fd00:1::99".parse().unwrap();
    let v4 = |packet: Vec<u8>| ethernet(two.mac, one.mac, 0x0800, &packet);
    let v6 = |packet: Vec<u8>| ethernet(two.mac, one.mac, 0x86dd, &packet);
    vec![
        attack("another's IPv4 address", v4(udp4((stranger, 7000), (two.ip, 53), TEXT)), "bridge", "spoofed_ip4"),
        attack(
            "the receiver's own IPv4 address",
            v4(udp4((two.ip, 7000), (two.ip, 53), TEXT)),
            "bridge",
            "spoofed_ip4",
        ),
        attack("no IPv4 address", v4(udp4((Ipv4Addr::UNSPECIFIED, 7000), (two.ip, 53), TEXT)), "bridge", "spoofed_ip4"),
        attack("another's IPv6 address", v6(udp6((stranger6, 7000), (theirs6, 53), TEXT)), "bridge", "spoofed_ip6"),
        attack(
            "another's link-local address",
            v6(udp6((link_local(other()), 7000), (theirs6, 53), TEXT)),
            "bridge",
            "spoofed_ip6",
        ),
        attack(
            "link-local address made from no MAC address, to another host",
            v6(udp6((PRIVATE, 7000), (theirs6, 53), TEXT)),
            "bridge",
            "private_link",
        ),
        attack(
            "IPv6 headers cut off in their middle",
            v6(ip6(60, own6, theirs6, &[60, 0, 1, 4, 0, 0, 0, 0])),
            "bridge",
            "hidden_header",
        ),
        attack(
            "IPv6 options longer than their packet",
            v6(ip6(60, own6, theirs6, &[17, 200, 1, 4, 0, 0, 0, 0])),
            "inet",
            "invalid",
        ),
    ]
}

fn neighbours(pair: &Pair) -> Vec<Attack> {
    let (one, two) = (&pair.guests.0, &pair.guests.1);
    let (own6, theirs6) = (six(&pair.ports.0), six(&pair.ports.1));
    let stranger: Ipv4Addr = "10.0.0.99".parse().unwrap();
    let all = ("ff02::1".parse().unwrap(), "33:33:00:00:00:01".parse().unwrap());
    let to_all = |packet: Vec<u8>| ethernet(all.1, one.mac, 0x86dd, &packet);
    let said = |operation, sender| ethernet(BROADCAST, one.mac, 0x0806, &arp(operation, sender, (BROADCAST, two.ip)));
    vec![
        attack("ARP answer with another's address", said(2, (one.mac, stranger)), "bridge", "spoofed_arp"),
        attack("ARP question with another's address", said(1, (one.mac, stranger)), "bridge", "spoofed_arp"),
        attack("ARP answer with another's MAC address", said(2, (other(), one.ip)), "bridge", "spoofed_arp"),
        attack(
            "gratuitous ARP for the receiver's address",
            ethernet(BROADCAST, one.mac, 0x0806, &arp(1, (one.mac, two.ip), (BROADCAST, two.ip))),
            "bridge",
            "spoofed_arp",
        ),
        attack(
            "unsolicited neighbour advertisement for the receiver's address",
            to_all(icmp6(own6, all.0, &neighbour(136, theirs6, one.mac))),
            "bridge",
            "spoofed_nd",
        ),
        attack(
            "neighbour advertisement from another's address",
            to_all(icmp6(theirs6, all.0, &neighbour(136, own6, one.mac))),
            "bridge",
            "spoofed_ip6",
        ),
    ]
}

fn servers(pair: &Pair) -> Vec<Attack> {
    let (one, two) = (&pair.guests.0, &pair.guests.1);
    let (own6, theirs6) = (six(&pair.ports.0), six(&pair.ports.1));
    let all = ("ff02::1".parse().unwrap(), "33:33:00:00:00:01".parse().unwrap());
    let to_all = |packet: Vec<u8>| ethernet(all.1, one.mac, 0x86dd, &packet);
    let redirect = [&[137, 0, 0, 0, 0, 0, 0, 0][..], &own6.octets(), &theirs6.octets()].concat();
    vec![
        attack(
            "DHCP server",
            ethernet(two.mac, one.mac, 0x0800, &udp4((one.ip, 67), (two.ip, 68), TEXT)),
            "bridge",
            "rogue_dhcp",
        ),
        attack("DHCPv6 server", to_all(udp6((own6, 547), (all.0, 546), TEXT)), "bridge", "rogue_dhcp"),
        attack(
            "router advertisement",
            to_all(icmp6(link_local(one.mac), all.0, &router_advert())),
            "bridge",
            "rogue_ra",
        ),
        attack("redirect", to_all(icmp6(link_local(one.mac), all.0, &redirect)), "bridge", "rogue_ra"),
    ]
}

/// What hides behind other headers (RFC 7113) and in fragments (RFC 6980).
fn hidden(pair: &Pair) -> Vec<Attack> {
    let one = &pair.guests.0;
    let (own6, theirs6) = (six(&pair.ports.0), six(&pair.ports.1));
    let all: Ipv6Addr = "ff02::1".parse().unwrap();
    let all_mac = "33:33:00:00:00:01".parse().unwrap();
    let own = link_local(one.mac);
    let to_all = |next, from, payload: &[u8]| ethernet(all_mac, one.mac, 0x86dd, &ip6(next, from, all, payload));
    let advert = icmp6(own, all, &router_advert())[40..].to_vec();
    let options = |next| [next, 0, 1, 4, 0, 0, 0, 0];
    // An option whose last octets stand where an advertisement's target is looked for.
    let decoy = [&[58, 2, 1, 20, 0, 0, 0, 0][..], &own6.octets()].concat();
    let claim = icmp6(own6, all, &neighbour(136, theirs6, one.mac))[40..].to_vec();
    let fragment =
        |next, offset: u16, more: u16| [&[next, 0][..], &(offset << 3 | more).to_be_bytes(), &[0, 0, 0, 7]].concat();
    let whole = [&options(58)[..], &advert].concat();
    vec![
        attack("router advertisement behind destination options", to_all(60, own, &whole), "bridge", "rogue_ra"),
        attack(
            "router advertisement behind hop-by-hop and destination options",
            to_all(0, own, &[&options(60)[..], &whole].concat()),
            "bridge",
            "rogue_ra",
        ),
        Attack {
            name: "router advertisement in fragments, its own header in the second",
            frames: vec![
                to_all(44, own, &[&fragment(60, 0, 1)[..], &options(58)].concat()),
                to_all(44, own, &[&fragment(60, 1, 0)[..], &advert].concat()),
            ],
            end: End::Sender("bridge", "hidden_header"),
        },
        attack(
            "neighbour advertisement behind options that imitate one",
            to_all(60, own6, &[&decoy[..], &claim].concat()),
            "bridge",
            "hidden_header",
        ),
    ]
}

fn flows(pair: &Pair) -> Vec<Attack> {
    let (one, two) = (&pair.guests.0, &pair.guests.1);
    let to_two = |packet: &[u8]| ethernet(two.mac, one.mac, 0x0800, packet);
    let datagram = |text: &[u8]| [text, &[0; 64]].concat();
    let in_two = |port| fragments4(&udp4((one.ip, 7000), (two.ip, port), &datagram(TEXT)), 40);
    let refused = in_two(54).iter().map(|part| to_two(part)).collect();
    let alone = fragments4(&udp4((one.ip, 7001), (two.ip, 53), &[&[0; 64][..], TEXT].concat()), 40).split_off(1);
    vec![
        Attack { name: "datagram to a closed port, in fragments", frames: refused, end: End::ReceiverRules },
        Attack {
            name: "second fragment without a first",
            frames: alone.iter().map(|part| to_two(part)).collect(),
            end: End::Reassembly,
        },
        attack("TCP from its middle", to_two(&tcp4((one.ip, 7000), (two.ip, 80), (9, 9), ACK)), "inet", "not_begun"),
        Attack {
            name: "VXLAN packet to another instance, on a closed port",
            frames: vec![to_two(&udp4((one.ip, 4789), (two.ip, 4789), TEXT))],
            end: End::ReceiverRules,
        },
    ]
}

impl End {
    fn count(self, pair: &Pair) -> u64 {
        let packets = |host: &Host, command: &str| {
            let number = host.sh(&format!("{command} | grep -o 'packets [0-9]*' | tail -1 | cut -d' ' -f2"));
            number.trim().parse().unwrap()
        };
        match self {
            Self::Sender(family, name) => packets(&pair.hosts.0, &format!("nft list counter {family} ik {name}")),
            Self::ReceiverRules => packets(&pair.hosts.1, &format!("nft list chain inet ik in_{}", pair.ports.1.tap)),
            Self::Reassembly => {
                let lines = pair.hosts.0.sh("grep '^Ip:' /proc/net/snmp");
                let table: Vec<Vec<&str>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
                let column = table[0].iter().position(|name| *name == "ReasmReqds").unwrap();
                table[1][column].parse().unwrap()
            }
        }
    }

    fn name(self) -> String {
        match self {
            Self::Sender(family, name) => format!("sender's host, `{family}` `{name}`"),
            Self::ReceiverRules => "receiver's host, last rule of the port's chain".to_owned(),
            Self::Reassembly => "sender's host, waits for the first and is thrown away (`ReasmReqds`)".to_owned(),
        }
    }
}

fn attacked(vni: u32) -> Pair {
    let open = |family, protocol, port| rule(Direction::Ingress, family, Some(protocol), Some(port));
    let (udp, tcp) = (open(Ethertype::Ipv4, Protocol::UDP, 53), open(Ethertype::Ipv4, Protocol::TCP, 80));
    let six = open(Ethertype::Ipv6, Protocol::UDP, 53);
    Pair::new(vni, &group(all_out()), &group(vec![udp, tcp, six, marker_rule()]))
}

#[test]
fn each_attack_ends_at_its_counter() {
    needs_kernel!();
    let mut pair = attacked(0x409);
    let mut table = "| attack of a guest | where it ends |\n| --- | --- |\n".to_owned();
    for attack in attacks(&pair) {
        let before = attack.end.count(&pair);
        attack.frames.iter().for_each(|frame| pair.guests.0.send(frame));
        let marker = marker(&pair.ports.0, &pair.ports.1);
        pair.guests.0.send(&marker);
        pair.guests.1.never_before(b"the-marker", attack.name, |seen| {
            contains(seen, TEXT) || attack.frames.iter().any(|frame| seen == frame.as_slice())
        });
        assert!(attack.end.count(&pair) > before, "{}: nothing was counted", attack.name);
        writeln!(table, "| {} | {} |", attack.name, attack.end.name()).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/isolation.md");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains(&table), "docs/operations/isolation.md does not have this table:\n{table}");
}

/// What is allowed arrives whole, although it was sent in fragments.
#[test]
fn allowed_fragments_pass() {
    needs_kernel!();
    let mut pair = attacked(0x40a);
    let (one, two) = (pair.guests.0.ip, pair.guests.1.ip);
    let whole = udp4((one, 7000), (two, 53), &[TEXT, &[7; 64]].concat());
    for part in fragments4(&whole, 40) {
        let frame = ethernet(pair.guests.1.mac, pair.guests.0.mac, 0x0800, &part);
        pair.guests.0.send(&frame);
    }
    pair.guests.1.expect("the datagram", |frame| contains(frame, TEXT).then_some(()));
}

/// A packet to the VXLAN port that the rules allow is a datagram like any other: it arrives as it
/// was sent, and no tunnel of ours opens it.
#[test]
fn what_looks_like_a_tunnel_is_never_opened() {
    needs_kernel!();
    let open = rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(4789));
    let mut pair = Pair::new(0x40b, &group(all_out()), &group(vec![open, marker_rule()]));
    let (one, two) = (pair.guests.0.ip, pair.guests.1.ip);
    let inner = ethernet(pair.guests.1.mac, other(), 0x0800, &udp4((one, 9), (two, 9), b"inner"));
    let vxlan = [&[8, 0, 0, 0, 0, 4, 0xb, 0][..], &inner].concat();
    let packet = udp4((one, 4789), (two, 4789), &vxlan);
    let opened =
        |host: &Host| host.sh("cat /sys/class/net/ikvx00040b/statistics/rx_packets").trim().parse::<u64>().unwrap();
    let before = (opened(&pair.hosts.0), opened(&pair.hosts.1));
    let frame = ethernet(pair.guests.1.mac, pair.guests.0.mac, 0x0800, &packet);
    pair.guests.0.send(&frame);
    pair.guests.0.send(&marker(&pair.ports.0, &pair.ports.1));
    let mut came = false;
    pair.guests.1.expect("the marker", |seen| {
        assert!(seen != inner.as_slice(), "the inner frame came out");
        came |= seen == frame.as_slice();
        contains(seen, b"the-marker").then_some(())
    });
    assert!(came, "the packet itself is allowed");
    let after = (opened(&pair.hosts.0), opened(&pair.hosts.1));
    assert_eq!(after, (before.0, before.1 + 2), "two frames came by the tunnel, and none from inside of one");
    for host in [&pair.hosts.0, &pair.hosts.1] {
        let flows = host.sh("cat /proc/net/nf_conntrack");
        let of = |from: IpAddr| flows.lines().filter(|flow| flow.contains(&format!("src={from} "))).count();
        assert!(
            flows.contains(&format!("src={one} dst={two} sport=4789 dport=4789")),
            "tracked like any other: {flows}"
        );
        assert_eq!((of(pair.hosts.0.vtep), of(pair.hosts.1.vtep)), (0, 0), "the tunnel itself is not: {flows}");
    }
}

/// Allowed address pairs: the range, the MAC address, in both directions, and nothing beside them.
#[test]
fn address_pairs_widen_what_a_port_may_use() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x40c));
    let all_in = [Ethertype::Ipv4, Ethertype::Ipv6].map(|family| rule(Direction::Ingress, family, None, None));
    let spec = group([all_out(), all_in.to_vec()].concat());
    let (mut a, mut b) = (net.port(10), net.port(20));
    (a.security_group_ids, b.security_group_ids) = (Some(vec![spec.id]), Some(vec![spec.id]));
    let shared: MacAddress = "00:00:5e:00:01:01".parse().unwrap();
    let pair = |mac, cidr: &str| AddressPair::new(mac, cidr.parse().unwrap()).unwrap();
    a.allowed_address_pairs = vec![
        pair(None, "10.0.0.96/28"),
        pair(None, "10.0.0.100/32"),
        pair(Some(shared), "10.0.0.200/32"),
        pair(None, "fd00:1::f0/124"),
    ];
    host.change(vec![net.set(), set_group(&spec), set_port(&a), set_port(&b)]);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    let (mut one, mut two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let (to, ip) = (two.mac, two.ip);
    let all = "ff02::1".parse().unwrap();
    let to_all = "33:33:00:00:00:01".parse().unwrap();
    let v4 = |mac, from: &str, text: &[u8]| ethernet(to, mac, 0x0800, &udp4((from.parse().unwrap(), 7), (ip, 7), text));
    let own = one.mac;
    let gratuitous = |mac, from: &str| {
        let from = from.parse().unwrap();
        ethernet(BROADCAST, mac, 0x0806, &arp(1, (mac, from), (BROADCAST, from)))
    };
    let claim = |target: &str| {
        let target = target.parse().unwrap();
        ethernet(to_all, own, 0x86dd, &icmp6(target, all, &neighbour(136, target, own)))
    };
    for (frame, passes) in [
        (v4(own, "10.0.0.100", b"a"), true),
        (v4(own, "10.0.0.97", b"b"), true),
        (v4(own, "10.0.0.112", b"c"), false),
        (v4(shared, "10.0.0.200", b"d"), true),
        (v4(other(), "10.0.0.200", b"e"), false),
        (gratuitous(own, "10.0.0.100"), true),
        (gratuitous(shared, "10.0.0.200"), true),
        (gratuitous(own, "10.0.0.112"), false),
        (claim("fd00:1::f7"), true),
        (claim("fd00:1::e7"), false),
    ] {
        one.send(&frame);
        one.send(&marker(&a, &b));
        let mut came = false;
        two.expect("the marker", |seen| {
            came |= seen == frame.as_slice();
            contains(seen, b"the-marker").then_some(())
        });
        assert_eq!(came, passes, "{frame:02x?}");
    }
    let back = ethernet(own, to, 0x0800, &udp4((ip, 8), ("10.0.0.99".parse().unwrap(), 8), b"back"));
    two.send(&back);
    one.expect("what is sent to the pair's address", |seen| (seen == back.as_slice()).then_some(()));

    a.allowed_address_pairs.clear();
    assert!(!host.change(vec![set_port(&a)]).outstanding);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    one.send(&v4(own, "10.0.0.100", b"late"));
    one.send(&marker(&a, &b));
    two.never_before(b"the-marker", "a pair that is gone", |seen| contains(seen, b"late"));
}

/// Two tenants with the same addresses, MAC addresses and ports of a connection on the same hosts:
/// each hears its own and nothing of the other.
#[test]
fn tenants_with_the_same_addresses_never_meet() {
    needs_kernel!();
    let (hosts, spec) = (Host::pair(), group([all_out(), vec![marker_rule()]].concat()));
    let tenants = [Net::new(0x40e), Net::new(0x40f)].map(|net| {
        let mut ports = (net.port(10), net.port(20));
        ports.0.security_group_ids = Some(vec![spec.id]);
        ports.1.security_group_ids = Some(vec![spec.id]);
        for (here, there, mine, theirs) in
            [(&hosts.0, &hosts.1, &ports.0, &ports.1), (&hosts.1, &hosts.0, &ports.1, &ports.0)]
        {
            let told = vec![net.set(), set_group(&spec), set_port(mine), peer(theirs, there)];
            assert!(!here.change(told).outstanding, "{}", here.outstanding());
        }
        ports
    });
    let mut guests = tenants.each_ref().map(|ports| (Guest::boot(&hosts.0, &ports.0), Guest::boot(&hosts.1, &ports.1)));
    let say = |ports: &(PortSpec, PortSpec), text: &[u8]| {
        ethernet(ports.1.mac, ports.0.mac, 0x86dd, &udp6((six(&ports.0), 9), (six(&ports.1), 9), text))
    };
    let all = |text: &[u8], from: MacAddress| {
        let packet = arp(2, (from, "10.0.0.10".parse().unwrap()), (BROADCAST, "10.0.0.20".parse().unwrap()));
        ethernet(BROADCAST, from, 0x0806, &[&packet[..], text].concat())
    };
    for (sender, text) in [(0, b"first tenant"), (1, b"other tenant")] {
        guests[sender].0.send(&all(text, tenants[sender].0.mac));
        guests[sender].0.send(&say(&tenants[sender], text));
        guests[sender].1.expect("its own tenant", |seen| contains(seen, text).then_some(()));
        let other = 1 - sender;
        guests[other].0.send(&marker(&tenants[other].0, &tenants[other].1));
        guests[other].1.never_before(b"the-marker", "the other tenant", |seen| contains(seen, text));
    }
}

/// Without port security a port may send and get anything, until it is switched on again.
#[test]
fn port_security_can_be_switched_off() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x40d));
    let spec = group([all_out(), vec![marker_rule()]].concat());
    let (mut a, mut b) = (net.port(10), net.port(20));
    (a.security_group_ids, b.security_group_ids) = (Some(vec![spec.id]), Some(vec![spec.id]));
    host.change(vec![net.set(), set_group(&spec), set_port(&a), set_port(&b)]);
    let (mut one, mut two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    for secured in [true, false, true] {
        a.is_secured = secured;
        assert!(!host.change(vec![set_port(&a)]).outstanding);
        assert_eq!(host.full().actions, 0, "{}", host.outstanding());
        let foreign: Ipv4Addr = "192.0.2.77".parse().unwrap();
        let text = format!("secured-{secured}");
        let to_it = ethernet(one.mac, two.mac, 0x0800, &udp4((two.ip, 7), (foreign, 7), text.as_bytes()));
        let ra = icmp6(link_local(other()), "ff02::1".parse().unwrap(), &router_advert());
        one.send(&ethernet("33:33:00:00:00:01".parse().unwrap(), other(), 0x86dd, &ra));
        two.send(&to_it);
        two.send(&marker(&b, &a));
        let mut came = false;
        one.expect("the marker", |seen| {
            came |= contains(seen, text.as_bytes());
            contains(seen, b"the-marker").then_some(())
        });
        assert_eq!(came, !secured, "what is addressed to nobody");
        // Its own enforcement is off; that of the others is not.
        one.send(&marker(&a, &b));
        // The network's service says so, too, whenever it likes.
        let rogue = |seen: &[u8]| seen.get(54) == Some(&134) && seen[6..12] == other().octets();
        two.never_before(b"the-marker", "a rogue router", rogue);
    }
}
