//! The service of a network: DHCP, DNS and the operator's way in.

use crate::frame::{ACK, BROADCAST, SYN, arp, ethernet, icmp6, is_tcp, neighbour, tcp4, udp4, udp6};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use dhcproto::v4::{DhcpOption, Message, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use iroko_agent_wire::{Change, ObjectKey, PortSpec};
use iroko_model::{Hostname, MacAddress};
use iroko_net_agent::object::{link_local, service_mac};
use std::net::{Ipv4Addr, Ipv6Addr};

const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn ask(guest: &mut Guest, kind: MessageType, requested: Option<Ipv4Addr>) -> Message {
    let mut message = Message::new_with_id(7, ANY, ANY, ANY, ANY, &guest.mac.octets());
    message.set_flags(dhcproto::v4::Flags::default().set_broadcast());
    let wanted = [
        OptionCode::Router,
        OptionCode::InterfaceMtu,
        OptionCode::DomainNameServer,
        OptionCode::DomainName,
        OptionCode::Hostname,
    ];
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    message.opts_mut().insert(DhcpOption::ParameterRequestList(wanted.to_vec()));
    if let Some(address) = requested {
        message.opts_mut().insert(DhcpOption::RequestedIpAddress(address));
        message.opts_mut().insert(DhcpOption::ServerIdentifier(SERVICE));
    }
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).unwrap();
    let packet = udp4((ANY, 68), (Ipv4Addr::BROADCAST, 67), &bytes);
    guest.send(&ethernet(BROADCAST, guest.mac, 0x0800, &packet));
    guest.expect("the DHCP server's answer", |frame| {
        let from_server = frame.get(12..14) == Some(&[8, 0]) && frame.get(34..36) == Some(&67u16.to_be_bytes());
        from_server.then(|| Message::decode(&mut Decoder::new(&frame[42..])).unwrap())
    })
}

pub fn lease(guest: &mut Guest) -> Message {
    let offer = ask(guest, MessageType::Discover, None);
    let answer = ask(guest, MessageType::Request, Some(offer.yiaddr()));
    assert_eq!(answer.opts().get(OptionCode::MessageType), Some(&DhcpOption::MessageType(MessageType::Ack)));
    answer
}

#[test]
fn an_instance_gets_its_address_and_what_goes_with_it() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x301));
    let port = net.port(10);
    host.change(vec![net.set(), set_port(&port)]);
    let mut guest = Guest::boot(&host, &port);
    let answer = lease(&mut guest);
    assert_eq!(answer.yiaddr(), guest.ip);
    let option = |code| answer.opts().get(code).cloned();
    assert_eq!(option(OptionCode::Router), Some(DhcpOption::Router(vec![Ipv4Addr::new(10, 0, 0, 1)])));
    assert_eq!(option(OptionCode::InterfaceMtu), Some(DhcpOption::InterfaceMtu(1450)));
    assert_eq!(option(OptionCode::DomainNameServer), Some(DhcpOption::DomainNameServer(vec![SERVICE])));
    assert_eq!(option(OptionCode::DomainName), Some(DhcpOption::DomainName("lab.internal".into())));
}

/// What reads like an order or a time in the server's own language is a name all the same.
#[test]
fn a_name_is_nothing_but_a_name() {
    needs_kernel!();
    let names =
        ["ignore", "infinite", "12h", "90", "1w", "0x10", "1e3", "id", "set", "yes", "null", "localhost", "a-1"];
    let (host, net) = (Host::new(1), Net::new(0x308));
    let ports: Vec<_> = (10u8..)
        .zip(names)
        .map(|(n, name)| PortSpec { hostname: Hostname::try_from(name.to_owned()).unwrap(), ..net.port(n) })
        .collect();
    let mut changes: Vec<Change> = ports.iter().map(set_port).collect();
    changes.insert(0, net.set());
    host.change(changes);
    for port in &ports {
        let mut guest = Guest::boot(&host, port);
        let answer = lease(&mut guest);
        assert_eq!(answer.yiaddr(), guest.ip, "{}", port.hostname);
        let option = |code| answer.opts().get(code).cloned();
        assert_eq!(option(OptionCode::Hostname), Some(DhcpOption::Hostname(port.hostname.to_string())));
        assert_eq!(option(OptionCode::AddressLeaseTime), Some(DhcpOption::AddressLeaseTime(3600)), "{}", port.hostname);
        assert_eq!(
            resolve(&mut guest, service_mac(net.vni()), 7, &format!("{}.lab.internal", port.hostname)),
            (0, true)
        );
    }
}

/// The address of an instance that is gone goes to the next one, though the lease still runs.
#[test]
fn an_address_is_free_when_its_instance_is_gone() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x302));
    let first = net.port(10);
    host.change(vec![net.set(), set_port(&first)]);
    lease(&mut Guest::boot(&host, &first));
    let mut second = net.port(11);
    second.addresses.clone_from(&first.addresses);
    host.change(vec![Change::Gone(ObjectKey::Port(first.id)), set_port(&second)]);
    let mut guest = Guest::boot(&host, &second);
    assert_eq!(lease(&mut guest).yiaddr(), guest.ip);
}

#[test]
fn names_follow_the_members_and_nothing_else_is_known() {
    needs_kernel!();
    let (host, other, net) = (Host::new(1), Host::new(2), Net::new(0x303));
    let (port, remote) = (net.port(10), net.port(20));
    host.change(vec![net.set(), set_port(&port)]);
    let mut guest = Guest::boot(&host, &port);
    let server = service_mac(net.vni());
    assert_eq!(resolve(&mut guest, server, 1, "vm10.lab.internal"), (0, true), "its own name");
    assert_eq!(resolve(&mut guest, server, 2, "vm20.lab.internal"), (3, false), "not known yet");
    host.change(vec![peer(&remote, &other)]);
    // The server reads its records when it gets to the signal; ask until it has.
    let mut id = 3;
    while resolve(&mut guest, server, id, "vm20.lab.internal") != (0, true) {
        id += 1;
        assert!(id < 2000, "the new name is never known");
    }
    let (code, found) = resolve(&mut guest, server, 5000, "www.example.org");
    assert!([3, 5].contains(&code) && !found, "code {code}");
}

/// Asks for an IPv4 address; gives the answer's code and whether there was one.
fn resolve(guest: &mut Guest, server: MacAddress, id: u16, name: &str) -> (u8, bool) {
    let mut query = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    guest.send(&ethernet(server, guest.mac, 0x0800, &udp4((guest.ip, 5353), (SERVICE, 53), &query)));
    let (mac, ip) = (guest.mac, guest.ip);
    loop {
        let answer = guest.expect("the DNS answer", |frame| match frame.get(12..14) {
            Some([8, 6]) if contains(&frame[38..], &ip.octets()) => Some(None),
            Some([8, 0]) if frame.get(34..36) == Some(&[0, 53]) && frame[42..44] == id.to_be_bytes() => {
                Some(Some((frame[45] & 15, frame[49] > 0)))
            }
            _ => None,
        });
        match answer {
            Some(answer) => return answer,
            None => guest.send(&ethernet(server, mac, 0x0806, &arp(2, (mac, ip), (server, SERVICE)))),
        }
    }
}

#[test]
fn an_operator_reaches_a_local_instance_from_the_service_namespace() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x304));
    let port = net.port(10);
    host.change(vec![net.set(), set_port(&port)]);
    let mut guest = Guest::boot(&host, &port);
    let server = service_mac(net.vni());
    host.sh("(ip netns exec ikns000304 timeout 20 bash -c '</dev/tcp/10.0.0.10/22' && echo yes > /run/reached) >/dev/null 2>&1 &");
    let (mac, ip) = (guest.mac, guest.ip);
    guest.expect("the question for the guest", |frame| (frame.get(12..14) == Some(&[8, 6])).then_some(()));
    guest.send(&ethernet(server, mac, 0x0806, &arp(2, (mac, ip), (server, SERVICE))));
    let (from, sequence) = guest.expect("the connection", |frame| {
        is_tcp(frame, SYN).then(|| {
            let port = u16::from_be_bytes(frame[34..36].try_into().unwrap());
            (port, u32::from_be_bytes(frame[38..42].try_into().unwrap()))
        })
    });
    let answer = tcp4((ip, 22), (SERVICE, from), (1, sequence.wrapping_add(1)), SYN | ACK);
    guest.send(&ethernet(server, mac, 0x0800, &answer));
    guest.expect("the connection's acknowledgement", |frame| is_tcp(frame, ACK).then_some(()));
}

/// Each host's service is its own: neither its requests nor its answers cross the tunnel.
#[test]
fn the_service_of_one_host_does_not_serve_another() {
    needs_kernel!();
    let (hosts, net) = (Host::pair(), Net::new(0x305));
    let (a, b) = (net.port(10), net.port(20));
    hosts.0.change(vec![net.set(), set_port(&a), peer(&b, &hosts.1)]);
    hosts.1.change(vec![net.set(), set_port(&b), peer(&a, &hosts.0)]);
    let (mut one, mut two) = (Guest::boot(&hosts.0, &a), Guest::boot(&hosts.1, &b));
    lease(&mut one);
    // Even where the namespace knows the way to an instance of the other host.
    let inside = "ip netns exec ikns000305";
    hosts.0.sh(&format!("{inside} ip neigh replace 10.0.0.20 lladdr {} dev iksn000305", two.mac));
    let tunnelled = "cat /sys/class/net/ikvx000305/statistics/tx_packets";
    let before = hosts.0.sh(tunnelled);
    hosts.0.sh(&format!("{inside} bash -c 'echo from-the-service >/dev/udp/10.0.0.20/9'"));
    assert_eq!(hosts.0.sh(tunnelled), before, "nothing of the service entered the tunnel");
    one.send(&ethernet(two.mac, one.mac, 0x0800, &udp4((one.ip, 7000), (two.ip, 7000), b"marker")));
    two.never_before(b"marker", "the service of the other host", |frame| {
        assert!(!contains(frame, b"from-the-service"), "{frame:02x?}");
        frame.get(12..14) == Some(&[8, 0]) && [Some(&[0, 67][..]), Some(&[0, 68][..])].contains(&frame.get(34..36))
    });
}

/// Router advertisements tell the MTU and to ask for an address, and name no router.
#[test]
fn an_instance_hears_router_advertisements_of_its_own_host() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x306));
    let port = net.port(10);
    host.change(vec![net.set(), set_port(&port)]);
    let mut guest = Guest::boot(&host, &port);
    let (routers, mac) = ("ff02::2".parse().unwrap(), "33:33:00:00:00:02".parse().unwrap());
    let ask = [133, 0, 0, 0, 0, 0, 0, 0];
    guest.send(&ethernet(mac, guest.mac, 0x86dd, &icmp6(link_local(guest.mac), routers, &ask)));
    guest.expect("a router advertisement", |frame| {
        let (ethertype, kind) = (frame.get(12..14)?, *frame.get(54)?);
        (ethertype == [0x86, 0xdd] && kind == 134).then(|| {
            assert_eq!(frame[6..12], service_mac(net.vni()).octets());
            assert_eq!(frame[59] & 0x80, 0x80, "addresses come by DHCPv6");
            assert_eq!(frame[60..62], [0, 0], "it is no default router");
            assert!(contains(frame, &[5, 1, 0, 0, 0, 0, 5, 170]), "the MTU is 1450");
        })
    });
}

/// An instance gets its IPv6 address by stateful DHCPv6.
#[test]
fn an_instance_gets_its_ipv6_address() {
    needs_kernel!();
    by_dhcp6(0x307, link_local);
}

/// So does one whose link-local address is not made from its MAC address.
#[test]
fn an_instance_that_hides_its_mac_address_gets_its_ipv6_address() {
    needs_kernel!();
    by_dhcp6(0x309, |_| Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1c2d, 0x3e4f, 0x5a6b, 0x7c8d));
}

fn by_dhcp6(vni: u32, own: impl Fn(MacAddress) -> Ipv6Addr) {
    let (host, net) = (Host::new(1), Net::new(vni));
    let port = net.port(10);
    host.change(vec![net.set(), set_port(&port)]);
    let mut guest = Guest::boot(&host, &port);
    let (servers, group_mac) = ("ff02::1:2".parse().unwrap(), "33:33:00:01:00:02".parse().unwrap());
    let duid = [&[0, 1, 0, 10, 0, 3, 0, 1][..], &guest.mac.octets()].concat();
    let solicit = [&[1, 0, 0, 7][..], &duid, &[0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let own = own(guest.mac);
    guest.send(&ethernet(group_mac, guest.mac, 0x86dd, &udp6((own, 546), (servers, 547), &solicit)));
    let (server, mac) = (service_mac(net.vni()), guest.mac);
    loop {
        let service = link_local(server);
        let heard = guest.expect("the DHCPv6 advertisement", |frame| match (frame.get(12..14)?, frame.get(20)?) {
            ([0x86, 0xdd], 58) if frame[54] == 135 => Some(false),
            ([0x86, 0xdd], 17) if frame.get(54..56) == Some(&547u16.to_be_bytes()) => {
                let address: Ipv6Addr = "fd00:1::a".parse().unwrap();
                assert!(contains(frame, &address.octets()), "{frame:02x?}");
                Some(true)
            }
            _ => None,
        });
        if heard {
            return;
        }
        guest.send(&ethernet(server, mac, 0x86dd, &icmp6(own, service, &neighbour(136, own, mac))));
    }
}
