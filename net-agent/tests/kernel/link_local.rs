//! Link-local addresses that are made from no MAC address, as Windows and NetworkManager make them: they work, and are
//! one instance's alone. And several interfaces of one instance on one network.

use crate::frame::{arp, ethernet, icmp6, neighbour, solicited, udp4, udp6};
use crate::groups::{all_out, group, rule, set_group, six};
use crate::guest::{Guest, PATIENCE, contains};
use crate::instance::Instance;
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::PortSpec;
use iroko_model::security_group::{Direction, Ethertype};
use iroko_net_agent::object::{link_local, service_mac};
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

fn private(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1c2d, 0x3e4f, 0x5a6b, n)
}

fn refused(host: &Host, counter: &str) -> u64 {
    let text = host.sh(&format!("nft list counter bridge ik {counter} | grep -o 'packets [0-9]*' | cut -d' ' -f2"));
    text.trim().parse().unwrap()
}

/// A datagram with this text.
fn from_to(from: &Guest, source: Ipv6Addr, to: &Guest, target: Ipv6Addr, text: &[u8]) -> Vec<u8> {
    ethernet(to.mac, from.mac, 0x86dd, &udp6((source, 7000), (target, 9), text))
}

#[test]
fn nobody_takes_a_link_local_address_that_is_in_use() {
    needs_kernel!();
    let (host, net, other_net) = (Host::new(1), Net::new(0xa01), Net::new(0xa02));
    let (a, b, c) = (net.port(10), net.port(20), net.port(30));
    let d = other_net.port(40);
    host.change(vec![net.set(), other_net.set(), set_port(&a), set_port(&b), set_port(&c), set_port(&d)]);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    let [mut one, mut two, mut three] = [&a, &b, &c].map(|port| Guest::boot(&host, port));
    let three_mac = three.mac;
    one.send(&ethernet(three.mac, one.mac, 0x86dd, &icmp6(private(1), six(&c), &neighbour(135, six(&c), one.mac))));
    three.expect("its question", |seen| contains(seen, &private(1).octets()).then_some(()));
    // What is for it arrives, and it may answer for itself.
    three.send(&ethernet(one.mac, three.mac, 0x86dd, &icmp6(six(&c), private(1), &neighbour(136, six(&c), three.mac))));
    one.expect("the answer", |seen| contains(seen, &private(1).octets()).then_some(()));
    let mine = icmp6(private(1), six(&c), &neighbour(136, private(1), one.mac));
    one.send(&ethernet(three.mac, one.mac, 0x86dd, &mine));
    three.expect("its own advertisement", |seen| contains(seen, &mine[40..]).then_some(()));

    // Another of the network does not get it: not by sending from it, and not by answering for it.
    let ends = |two: &mut Guest, three: &mut Guest, frame: Vec<u8>, counter: &str, what: &str| {
        let before = refused(&host, counter);
        two.send(&frame);
        two.send(&from_to(two, six(&b), three, six(&c), b"the-marker"));
        three.never_before(b"the-marker", what, |seen| seen == frame.as_slice());
        assert_eq!(refused(&host, counter), before + 1, "{what}");
    };
    let question = icmp6(private(1), six(&c), &neighbour(135, six(&c), two.mac));
    let question = ethernet(three.mac, two.mac, 0x86dd, &question);
    ends(&mut two, &mut three, question, "spoofed_ip6", "a question from another's address");
    let (group, group_mac) = solicited(six(&c));
    let question = icmp6(private(1), group, &neighbour(135, six(&c), two.mac));
    let question = ethernet(group_mac, two.mac, 0x86dd, &question);
    ends(&mut two, &mut three, question, "spoofed_ip6", "a question to many from another's address");
    let answer = icmp6(private(2), six(&c), &neighbour(136, private(1), two.mac));
    let answer = ethernet(three.mac, two.mac, 0x86dd, &answer);
    ends(&mut two, &mut three, answer, "spoofed_nd", "an answer for another's address");
    let answer = icmp6(private(2), six(&c), &neighbour(136, six(&a), two.mac));
    let answer = ethernet(three.mac, two.mac, 0x86dd, &answer);
    ends(&mut two, &mut three, answer, "spoofed_nd", "an answer for another's global address");
    for mac in [one.mac, service_mac(net.vni())] {
        let made = icmp6(link_local(mac), six(&c), &neighbour(135, six(&c), two.mac));
        let made = ethernet(three.mac, two.mac, 0x86dd, &made);
        ends(&mut two, &mut three, made, "spoofed_ip6", "an address made from another's MAC address");
    }
    let advert = icmp6(private(2), "ff02::1".parse().unwrap(), &crate::frame::router_advert());
    let advert = ethernet("33:33:00:00:00:01".parse().unwrap(), two.mac, 0x86dd, &advert);
    ends(&mut two, &mut three, advert, "rogue_ra", "a router advertisement");
    let server = ethernet(three.mac, two.mac, 0x86dd, &udp6((private(2), 547), (six(&c), 546), b"server"));
    ends(&mut two, &mut three, server, "rogue_dhcp", "a DHCP server");

    // Each holds one so far; so many more are free for it, and the next is not.
    let asks = |from: &Guest, n: u16| {
        let question = icmp6(private(n), six(&c), &neighbour(135, six(&c), from.mac));
        ethernet(three_mac, from.mac, 0x86dd, &question)
    };
    for n in 3..10 {
        two.send(&asks(&two, n));
        three.expect("a question from one more", |seen| contains(seen, &private(n).octets()).then_some(()));
    }
    let next = asks(&two, 10);
    ends(&mut two, &mut three, next, "claimed_too_often", "one more address");
    // Others have theirs, and another network is another matter.
    one.send(&asks(&one, 11));
    three.expect("a question from another", |seen| contains(seen, &private(11).octets()).then_some(()));
    let mut four = Guest::boot(&host, &d);
    let before = refused(&host, "spoofed_ip6");
    let service = service_mac(other_net.vni());
    four.send(&ethernet(service, four.mac, 0x86dd, &udp6((private(1), 7000), (six(&d), 9), b"x")));
    one.send(&asks(&one, 1));
    three.expect("its question", |seen| contains(seen, &private(1).octets()).then_some(()));
    assert_eq!(refused(&host, "spoofed_ip6"), before);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
}

/// From another host only questions to one neighbour come, and none in the name of an instance of this one.
#[test]
fn nor_is_it_taken_from_another_host() {
    needs_kernel!();
    let (net, (here, there)) = (Net::new(0xa05), Host::pair());
    let [a, b, c] = [10, 20, 30].map(|n| net.port(n));
    here.change(vec![net.set(), set_port(&a), set_port(&b), peer(&c, &there)]);
    there.change(vec![net.set(), set_port(&c), peer(&a, &here), peer(&b, &here)]);
    let [mut one, mut two] = [&a, &b].map(|port| Guest::boot(&here, port));
    let mut three = Guest::boot(&there, &c);
    let (two_mac, two_six) = (two.mac, six(&b));
    let asks = |from: &Guest, n: u16| {
        let question = icmp6(private(n), two_six, &neighbour(135, two_six, from.mac));
        ethernet(two_mac, from.mac, 0x86dd, &question)
    };
    one.send(&asks(&one, 1));
    two.expect("its question", |seen| contains(seen, &private(1).octets()).then_some(()));
    let answer = icmp6(private(2), two_six, &neighbour(136, private(2), three.mac));
    let answer = ethernet(two_mac, three.mac, 0x86dd, &answer);
    let before = (refused(&here, "private_link"), refused(&there, "private_link"));
    three.send(&asks(&three, 1));
    three.send(&answer);
    three.send(&from_to(&three, private(2), &two, two_six, b"a datagram"));
    three.send(&from_to(&three, six(&c), &two, two_six, b"the-marker"));
    two.never_before(b"the-marker", "what is from such an address", |seen| {
        contains(seen, &private(1).octets()) || contains(seen, &private(2).octets())
    });
    assert_eq!(refused(&here, "private_link"), before.0 + 1, "in the name of one that is here");
    assert_eq!(refused(&there, "private_link"), before.1 + 2, "what is no question");
    three.send(&asks(&three, 2));
    two.expect("a question from the other host", |seen| contains(seen, &private(2).octets()).then_some(()));
    // It is answered.
    two.send(&ethernet(three.mac, two.mac, 0x86dd, &icmp6(two_six, private(2), &neighbour(136, two_six, two.mac))));
    three.expect("the answer", |seen| contains(seen, &private(2).octets()).then_some(()));
}

/// Instances whose only link-local address is such a one find each other, on the same host and on another.
#[test]
fn instances_with_such_an_address_find_each_other() {
    needs_kernel!();
    let (net, (here, there)) = (Net::new(0xa03), Host::pair());
    let all_in = [Ethertype::Ipv4, Ethertype::Ipv6].map(|family| rule(Direction::Ingress, family, None, None));
    let group = group([all_out(), all_in.to_vec()].concat());
    let [a, b, c] = [10, 20, 30].map(|n| PortSpec { security_group_ids: Some(vec![group.id]), ..net.port(n) });
    here.change(vec![net.set(), set_group(&group), set_port(&a), set_port(&b), peer(&c, &there)]);
    there.change(vec![net.set(), set_group(&group), set_port(&c), peer(&a, &here), peer(&b, &here)]);
    let instances = [(&here, &a), (&here, &b), (&there, &c)].map(|(host, port)| {
        let instance = Instance::boot(host, port);
        instance.sh("ip -6 address flush dev eth0 scope link");
        instance.sh(&format!("ip address add {}/64 dev eth0 nodad", private(port.mac.octets()[5].into())));
        instance
    });
    for (from, to) in [(0, 1), (0, 2), (2, 1)] {
        let target = six([&a, &b, &c][to]);
        let answers = instances[to].begin(move || {
            let socket = UdpSocket::bind((target, 9)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut text = [0; 100];
            let (length, who) = socket.recv_from(&mut text).unwrap();
            socket.send_to(&text[..length], who).unwrap();
        });
        let heard = instances[from].on(move || {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let start = Instant::now();
            let mut text = [0; 100];
            while start.elapsed() < PATIENCE {
                let _ = socket.send_to(b"question", SocketAddr::from((target, 9)));
                if socket.recv(&mut text).is_ok() {
                    return true;
                }
            }
            false
        });
        assert!(heard, "{from} to {to}: {}", instances[from].ask("ip -6 neigh; ip -6 address"));
        answers.recv_timeout(PATIENCE).unwrap();
        // The question that asks whether it is still there comes from the link-local address.
        instances[from].sh(&format!("ip neigh change {target} dev eth0 nud probe"));
        let state = || instances[from].ask(&format!("ip neigh show {target} dev eth0"));
        let start = Instant::now();
        while !state().contains("REACHABLE") {
            assert!(start.elapsed() < PATIENCE, "{from} to {to}: {}", state());
            std::thread::yield_now();
        }
    }
}

/// An instance answers by whichever of its interfaces its routes name.
#[test]
fn interfaces_of_one_instance_use_each_others_addresses() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0xa04));
    let (a, other, peer) = (net.port(10), net.port(20), net.port(30));
    let b = PortSpec { instance_id: a.instance_id, ..other };
    host.change(vec![net.set(), set_port(&a), set_port(&peer)]);
    host.change(vec![set_port(&b)]);
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    let [mut one, two, mut three] = [&a, &b, &peer].map(|port| Guest::boot(&host, port));
    one.send(&ethernet(three.mac, one.mac, 0x0800, &udp4((two.ip, 7000), (three.ip, 9), b"by-the-other")));
    three.expect("an answer by the other interface", |seen| contains(seen, b"by-the-other").then_some(()));
    one.send(&ethernet(three.mac, one.mac, 0x86dd, &udp6((six(&b), 7000), (six(&peer), 9), b"by-the-other")));
    three.expect("the same", |seen| contains(seen, b"by-the-other").then_some(()));
    // Nobody else's, and not from the other's MAC address.
    for spoofed in [
        ethernet(three.mac, one.mac, 0x0800, &udp4((three.ip, 7000), (three.ip, 9), b"spoofed")),
        ethernet(three.mac, two.mac, 0x0800, &udp4((two.ip, 7000), (three.ip, 9), b"spoofed")),
        ethernet(three.mac, one.mac, 0x0806, &arp(2, (one.mac, three.ip), (three.mac, three.ip))),
    ] {
        one.send(&spoofed);
    }
    one.send(&ethernet(three.mac, one.mac, 0x0800, &udp4((one.ip, 7000), (three.ip, 9), b"the-marker")));
    three.never_before(b"the-marker", "what is spoofed", |seen| contains(seen, b"spoofed"));
    // When the other interface is gone, so is its address.
    host.change(vec![iroko_agent_wire::Change::Gone(iroko_agent_wire::ObjectKey::Port(b.id))]);
    one.send(&ethernet(three.mac, one.mac, 0x0800, &udp4((two.ip, 7000), (three.ip, 9), b"spoofed")));
    one.send(&ethernet(three.mac, one.mac, 0x0800, &udp4((one.ip, 7001), (three.ip, 9), b"the-marker")));
    three.never_before(b"the-marker", "an address that is gone", |seen| contains(seen, b"spoofed"));
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
}
