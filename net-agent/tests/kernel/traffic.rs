//! What guests can and cannot say, on one host and across two.

use crate::frame::{BROADCAST, arp, ethernet, ip4, udp4};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_link::wire::PortSpec;

/// Two hosts with a machine each, on one network, and what is plugged.
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
    let wrong = [
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
