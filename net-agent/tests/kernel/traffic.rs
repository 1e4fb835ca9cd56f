//! What guests can and cannot say, on one host and across two.

use crate::frame::{
    ACK, BROADCAST, SYN, arp, ethernet, icmp6, ip4, is_tcp, neighbour, router_advert, solicited, tcp4, udp4, udp6,
};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{Change, ObjectKey, PortSpec};
use iroko_model::{MacAddress, PortId};
use iroko_net_agent::object::link_local;
use std::net::{IpAddr, Ipv6Addr};

fn six(port: &PortSpec) -> Ipv6Addr {
    port.addresses.iter().find_map(|ip| if let IpAddr::V6(v6) = ip { Some(*v6) } else { None }).unwrap()
}

/// Two hosts with an instance each, on one network, and what is plugged.
struct Across {
    hosts: (Host, Host),
    ports: (PortSpec, PortSpec),
}

impl Across {
    fn new(vni: u32) -> Self {
        let (hosts, net) = (Host::pair(), Net::new(vni));
        let ports = (net.port(10), net.port(20));
        for (here, there, mine, theirs) in
            [(&hosts.0, &hosts.1, &ports.0, &ports.1), (&hosts.1, &hosts.0, &ports.1, &ports.0)]
        {
            let seen = here.change(vec![net.set(), set_port(mine), peer(theirs, there)]);
            assert!(!seen.outstanding, "{:?}", here.reporter.last_port(mine.id));
        }
        Self { hosts, ports }
    }

    fn guests(&self) -> (Guest, Guest) {
        (Guest::boot(&self.hosts.0, &self.ports.0), Guest::boot(&self.hosts.1, &self.ports.1))
    }
}

/// A datagram of one guest to another, with a text to find it by.
fn say(from: &Guest, to: &Guest, text: &str) -> Vec<u8> {
    ethernet(to.mac, from.mac, 0x0800, &udp4((from.ip, 7000), (to.ip, 7000), text.as_bytes()))
}

#[test]
fn frames_cross_hosts_and_arp_is_answered_without_flooding() {
    needs_kernel!();
    let across = Across::new(0x201);
    let (mut one, mut two) = across.guests();
    one.send(&ethernet(BROADCAST, one.mac, 0x0806, &arp(1, (one.mac, one.ip), (BROADCAST, two.ip))));
    let answer = arp(2, (two.mac, two.ip), (one.mac, one.ip));
    one.expect("the ARP answer of the bridge", |frame| contains(frame, &answer).then_some(()));

    let hello = say(&one, &two, "hello");
    one.send(&hello);
    two.never_before(b"hello", "the ARP request", |frame| frame[12..14] == [8, 6]);
    let back = say(&two, &one, "hello back");
    two.send(&back);
    one.expect("the way back", |frame| contains(frame, b"hello back").then_some(()));
}

#[test]
fn what_a_guest_may_not_say_is_dropped() {
    needs_kernel!();
    let across = Across::new(0x202);
    let (mut one, mut two) = across.guests();
    let other = "02:00:00:00:00:63".parse().unwrap();
    let stranger = "10.0.0.99".parse().unwrap();
    let bad = b"bad";
    // The receiver takes packets of this member: only the sender's own host can refuse them.
    let mut member = across.ports.0.clone();
    (member.id, member.mac, member.addresses) = (PortId::new(), other, vec!["10.0.0.30".parse().unwrap()]);
    across.hosts.1.change(vec![peer(&member, &across.hosts.0)]);
    let wrong = [
        ethernet(two.mac, one.mac, 0x0800, &udp4(("10.0.0.30".parse().unwrap(), 7000), (two.ip, 7000), bad)),
        ethernet(two.mac, other, 0x0800, &udp4((one.ip, 7000), (two.ip, 7000), bad)),
        ethernet(two.mac, one.mac, 0x0800, &udp4((stranger, 7000), (two.ip, 7000), bad)),
        ethernet(two.mac, one.mac, 0x0800, &udp4((one.ip, 67), (two.ip, 68), bad)),
        ethernet(two.mac, one.mac, 0x88cc, bad),
        ethernet(two.mac, one.mac, 0x8100, &[&[0, 1, 8, 0][..], &ip4(17, one.ip, two.ip, bad)].concat()),
    ];
    for frame in &wrong {
        one.send(frame);
        let marker = say(&one, &two, "marker");
        one.send(&marker);
        two.never_before(b"marker", "a forbidden frame", |frame| contains(frame, bad));
    }
}

#[test]
fn spoofed_arp_and_neighbours_are_dropped() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x203));
    let (a, b) = (net.port(10), net.port(20));
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    let (mut one, mut two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let other: MacAddress = "02:00:00:00:00:63".parse().unwrap();
    let (own6, theirs6) = (six(&a), six(&b));
    let (all_nodes, all_nodes_mac) = ("ff02::1".parse().unwrap(), "33:33:00:00:00:01".parse().unwrap());
    let to_all = |packet: Vec<u8>| ethernet(all_nodes_mac, a.mac, 0x86dd, &packet);
    let wrong = [
        ethernet(BROADCAST, one.mac, 0x0806, &arp(1, (one.mac, two.ip), (BROADCAST, two.ip))),
        ethernet(BROADCAST, one.mac, 0x0806, &arp(2, (other, one.ip), (BROADCAST, two.ip))),
        ethernet(BROADCAST, one.mac, 0x0806, &arp(2, (one.mac, "0.0.0.0".parse().unwrap()), (BROADCAST, two.ip))),
        to_all(icmp6(link_local(a.mac), all_nodes, &router_advert())),
        to_all(icmp6(own6, all_nodes, &neighbour(136, theirs6, a.mac))),
        to_all(icmp6(theirs6, all_nodes, &neighbour(136, own6, a.mac))),
        to_all(icmp6(link_local(other), all_nodes, &neighbour(136, own6, a.mac))),
        to_all(udp6((own6, 547), (all_nodes, 546), b"rogue")),
    ];
    for frame in &wrong {
        one.send(frame);
        let marker = say(&one, &two, "marker");
        one.send(&marker);
        two.never_before(b"marker", "a forbidden frame", |seen| seen == frame.as_slice());
    }
    // What is true passes: an instance may say who it is, and ask.
    let truth = [
        ethernet(BROADCAST, one.mac, 0x0806, &arp(1, (one.mac, one.ip), (BROADCAST, two.ip))),
        to_all(icmp6(own6, all_nodes, &neighbour(136, own6, a.mac))),
        to_all(icmp6(link_local(a.mac), all_nodes, &neighbour(136, link_local(a.mac), a.mac))),
    ];
    for frame in &truth {
        one.send(frame);
        two.expect("a true frame", |seen| (seen == frame.as_slice()).then_some(()));
    }
}

#[test]
fn neighbour_solicitation_is_answered_across_hosts() {
    needs_kernel!();
    let across = Across::new(0x204);
    let (mut one, mut two) = across.guests();
    let (own, target) = (six(&across.ports.0), six(&across.ports.1));
    let (group, group_mac) = solicited(target);
    one.send(&ethernet(group_mac, one.mac, 0x86dd, &icmp6(own, group, &neighbour(135, target, one.mac))));
    one.expect("the neighbour advertisement of the bridge", |frame| {
        let is_answer = frame[12..14] == [0x86, 0xdd] && frame.get(54) == Some(&136);
        (is_answer && contains(frame, &target.octets()) && contains(frame, &two.mac.octets())).then_some(())
    });
    one.send(&ethernet(two.mac, one.mac, 0x86dd, &udp6((own, 7000), (target, 7000), b"hello six")));
    two.never_before(b"hello six", "the solicitation", |frame| frame.get(54) == Some(&135));
}

/// An instance of another host that this host was not told of as a member: what it starts is
/// refused, what it answers comes back.
#[test]
fn strangers_are_refused_and_answers_come_back() {
    needs_kernel!();
    let across = Across::new(0x205);
    let (mut one, mut two) = across.guests();
    let (here, vni) = (&across.hosts.0, 0x205);
    here.change(vec![Change::Gone(ObjectKey::Peer(across.ports.1.network_id, across.ports.1.id))]);
    // Forwarding alone, as if it had not been taken away, so that the filter alone decides.
    here.sh(&format!(
        "bridge fdb add {0} dev ikvx{vni:06x} dst {1} && bridge fdb add {0} dev ikvx{vni:06x} master static",
        two.mac, across.hosts.1.vtep
    ));
    let (client, server) = ((one.ip, 40000), (two.ip, 80));
    two.send(&ethernet(one.mac, two.mac, 0x0800, &udp4((two.ip, 7000), (one.ip, 7000), b"uninvited")));
    one.send(&ethernet(two.mac, one.mac, 0x0800, &tcp4(client, server, (100, 0), SYN)));
    two.expect("the request", |frame| is_tcp(frame, SYN).then_some(()));
    two.send(&ethernet(one.mac, two.mac, 0x0800, &tcp4(server, client, (200, 101), SYN | ACK)));
    one.expect("the answer", |frame| {
        assert!(!contains(frame, b"uninvited"), "a stranger came through");
        is_tcp(frame, SYN | ACK).then_some(())
    });
}

/// A guest cannot reach the host through its bridge, whatever address it tries.
#[test]
fn the_host_is_out_of_reach() {
    needs_kernel!();
    let across = Across::new(0x206);
    let (mut one, mut two) = across.guests();
    let bridge: MacAddress = "0a:69:6b:00:02:06".parse().unwrap();
    let before = across.hosts.0.sh("nft list table bridge ik | grep -c 'counter name \"to_host\" drop'");
    assert_eq!(before.trim(), "1");
    let IpAddr::V4(vtep) = across.hosts.0.vtep else { unreachable!("the lab's VTEPs are IPv4") };
    one.send(&ethernet(bridge, one.mac, 0x0800, &udp4((one.ip, 7000), (vtep, 4789), b"tunnel")));
    let marker = say(&one, &two, "marker");
    one.send(&marker);
    two.never_before(b"marker", "an injected packet", |frame| contains(frame, b"tunnel"));
    let seen = across.hosts.0.sh("cat /proc/net/snmp | grep '^Udp:' | tail -1");
    let counters: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(counters[2], "0", "no datagram of a guest reached a port nobody listens on: {seen}");
}
