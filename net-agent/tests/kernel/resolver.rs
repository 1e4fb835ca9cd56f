//! A DNS server of the tenant's: the network's resolver asks it, on whichever host it is, and nobody else.

use crate::frame::{arp, ethernet, udp4};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use dhcproto::v4::{DhcpOption, OptionCode};
use iroko_agent_wire::{Change, ObjectKey, PortSpec};
use iroko_net_agent::object::service_mac;
use std::net::Ipv4Addr;
use std::time::Instant;

const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const REFUSED: u8 = 5;

/// A question for the IPv4 address of a name.
fn question(id: u16, name: &str) -> Vec<u8> {
    let mut query = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

fn asks(guest: &mut Guest, net: &Net, id: u16, name: &str) {
    let query = udp4((guest.ip, 5353), (SERVICE, 53), &question(id, name));
    guest.send(&ethernet(service_mac(net.vni()), guest.mac, 0x0800, &query));
}

/// The code of the answer and whether there is an address in it; answers questions for the guest's own on the way.
fn hears(guest: &mut Guest, net: &Net, id: u16) -> (u8, bool) {
    loop {
        let ip = guest.ip;
        let answer = guest.expect("the answer", |frame| match frame.get(12..14) {
            Some([8, 6]) if contains(frame.get(38..)?, &ip.octets()) => Some(None),
            Some([8, 0]) if frame.get(34..36) == Some(&[0, 53]) && frame[42..44] == id.to_be_bytes() => {
                Some(Some((frame[45] & 15, frame[49] > 0)))
            }
            _ => None,
        });
        match answer {
            Some(answer) => return answer,
            None => is_there(guest, net),
        }
    }
}

/// Says where the guest is.
fn is_there(guest: &mut Guest, net: &Net) {
    let service = service_mac(net.vni());
    let (mac, ip) = (guest.mac, guest.ip);
    guest.send(&ethernet(service, mac, 0x0806, &arp(2, (mac, ip), (service, SERVICE))));
}

/// The server is asked by its own host's resolver, and says 10.9.9.9.
fn answers(server: &mut Guest, net: &Net, name: &str) {
    let first = name.split('.').next().unwrap().to_owned();
    loop {
        let ip = server.ip;
        let heard = server.expect("the question", |frame| match frame.get(12..14) {
            Some([8, 6]) if contains(frame.get(38..)?, &ip.octets()) => Some(None),
            Some([8, 0]) if frame.get(36..38) == Some(&[0, 53]) && contains(frame, first.as_bytes()) => {
                assert_eq!(frame[26..30], SERVICE.octets(), "it is asked by its network's resolver");
                Some(Some((u16::from_be_bytes([frame[34], frame[35]]), frame[42..].to_vec())))
            }
            _ => None,
        });
        let Some((port, mut answer)) = heard else {
            is_there(server, net);
            continue;
        };
        // Any additional record (EDNS) is left out.
        let end = 12 + name.len() + 2 + 4;
        answer.truncate(end);
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        answer[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, 9, 9]);
        let packet = udp4((server.ip, 53), (SERVICE, port), &answer);
        return server.send(&ethernet(service_mac(net.vni()), server.mac, 0x0800, &packet));
    }
}

#[test]
fn the_resolver_asks_the_tenants_server_on_whichever_host() {
    needs_kernel!();
    let mut net = Net::new(0xb01);
    net.spec.subnets[0].dns_servers = vec!["10.0.0.20".parse().unwrap(), "9.9.9.9".parse().unwrap()];
    let (here, there) = Host::pair();
    let (a, server, other) = (net.port(10), net.port(20), net.port(30));
    here.change(vec![net.set(), set_port(&a)]);
    there.change(vec![net.set(), set_port(&other), peer(&a, &here)]);
    let mut guest = Guest::boot(&here, &a);
    asks(&mut guest, &net, 1, "one.example");
    assert_eq!(hears(&mut guest, &net, 1), (REFUSED, false), "there is no way to any server");

    there.change(vec![set_port(&server)]);
    here.change(vec![peer(&server, &there)]);
    assert_eq!((here.full().actions, there.full().actions), (0, 0), "{} {}", here.outstanding(), there.outstanding());
    let mut resolver = Guest::boot(&there, &server);
    asks(&mut guest, &net, 2, "two.example");
    answers(&mut resolver, &net, "two.example");
    assert_eq!(hears(&mut guest, &net, 2), (0, true), "by the other host");
    asks(&mut guest, &net, 3, "vm10.lab.internal");
    assert_eq!(hears(&mut guest, &net, 3), (0, true), "names of the project stay what they are");
    asks(&mut guest, &net, 4, "nobody.lab.internal");
    assert_eq!(hears(&mut guest, &net, 4), (3, false), "and are asked for nowhere else");

    drop(resolver);
    there.change(vec![Change::Gone(ObjectKey::Port(server.id)), peer(&server, &here)]);
    here.change(vec![Change::Gone(ObjectKey::Peer(net.spec.id, server.id)), set_port(&server)]);
    assert_eq!((here.full().actions, there.full().actions), (0, 0), "{} {}", here.outstanding(), there.outstanding());
    let mut resolver = Guest::boot(&here, &server);
    asks(&mut guest, &net, 5, "five.example");
    answers(&mut resolver, &net, "five.example");
    assert_eq!(hears(&mut guest, &net, 5), (0, true), "on the same host");

    here.change(vec![Change::Gone(ObjectKey::Port(server.id))]);
    let start = Instant::now();
    loop {
        asks(&mut guest, &net, 6, "six.example");
        if hears(&mut guest, &net, 6) == (REFUSED, false) {
            break;
        }
        assert!(start.elapsed() < crate::guest::PATIENCE);
    }
    assert_eq!(here.full().actions, 0, "{}", here.outstanding());
}

/// Whoever makes the resolver ask makes entries of the host's table: no more than there is room for.
#[test]
fn questions_cannot_fill_the_hosts_table() {
    needs_kernel!();
    /// Fewer than the resolver has sockets.
    const ROOM: u32 = 32;
    /// The guest's own flow, and what the service says to all.
    const OTHERS: u32 = 16;
    let mut net = Net::new(0xb04);
    net.spec.subnets[0].dns_servers = vec!["10.0.0.20".parse().unwrap()];
    let host = Host::with(1, |config| (config.flows_per_port, config.new_flows_per_port_s) = (ROOM, 10));
    let (a, server) = (net.port(10), net.port(20));
    host.change(vec![net.set(), set_port(&a), set_port(&server)]);
    let (mut guest, mut resolver) = (Guest::boot(&host, &a), Guest::boot(&host, &server));
    asks(&mut guest, &net, 1, "first.example");
    answers(&mut resolver, &net, "first.example");
    assert_eq!(hears(&mut guest, &net, 1), (0, true));
    let entries = || host.sh("cat /proc/sys/net/netfilter/nf_conntrack_count").trim().parse::<u32>().unwrap();
    let before = entries();
    for n in 0..3000u16 {
        asks(&mut guest, &net, n, &format!("name-{n}.example"));
    }
    let took = entries() - before;
    assert!((ROOM / 2..=ROOM + OTHERS).contains(&took), "{took} entries");
    assert!(host.sh("nft list set inet ik service_begins").contains(&format!("ct count {ROOM}")));
}

/// Guests hear of one resolver, whatever the tenant says.
#[test]
fn guests_are_told_one_resolver() {
    needs_kernel!();
    let mut net = Net::new(0xb02);
    net.spec.subnets[0].dns_servers = vec!["10.0.0.20".parse().unwrap()];
    let host = Host::new(1);
    let port = net.port(10);
    host.change(vec![net.set(), set_port(&port)]);
    let answer = crate::service::lease(&mut Guest::boot(&host, &port));
    let told = answer.opts().get(OptionCode::DomainNameServer).cloned();
    assert_eq!(told, Some(DhcpOption::DomainNameServer(vec![SERVICE])));
}

/// The way between resolvers is for them alone.
#[test]
fn no_guest_talks_to_another_hosts_resolver() {
    needs_kernel!();
    let mut net = Net::new(0xb03);
    net.spec.subnets[0].dns_servers = vec!["10.0.0.20".parse().unwrap()];
    let (here, there) = Host::pair();
    let [a, server] = [10, 20].map(|n| net.port(n));
    let a = PortSpec { is_secured: false, ..a };
    here.change(vec![net.set(), set_port(&a), peer(&server, &there)]);
    there.change(vec![net.set(), set_port(&server), peer(&a, &here)]);
    let (mut guest, mut two) = (Guest::boot(&here, &a), Guest::boot(&there, &server));
    let relay = |vtep| iroko_net_agent::object::relay_address(vtep);
    let query = crate::frame::udp6((relay(here.vtep), 7000), (relay(there.vtep), 53), &question(9, "stolen.example"));
    let to = iroko_net_agent::object::relay_mac(there.vtep);
    for from in [guest.mac, service_mac(net.vni())] {
        guest.send(&ethernet(to, from, 0x86dd, &query));
    }
    guest.send(&ethernet(two.mac, guest.mac, 0x0800, &udp4((guest.ip, 7000), (two.ip, 7000), b"the-marker")));
    two.never_before(b"the-marker", "its question", |seen| contains(seen, b"stolen"));
}
