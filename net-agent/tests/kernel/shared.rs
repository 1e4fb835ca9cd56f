//! Addresses that several ports share (allowed address pairs), on three hosts whose agents hear
//! nothing meanwhile: found from everywhere, moved by the word of those who may have them, and of
//! nobody else.

use crate::frame::{BROADCAST, arp, ethernet, icmp6, neighbour, solicited, udp4, udp6};
use crate::groups::{all_out, group, rule, set_group, six};
use crate::guest::{Guest, contains, earned};
use crate::instance::Instance;
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use iroko_agent_wire::{PortSpec, SecurityGroupSpec};
use iroko_model::MacAddress;
use iroko_model::port::AddressPair;
use iroko_model::security_group::{Direction, Ethertype};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

const VIRTUAL_4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const VIRTUAL_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x64);
/// VRRP's own, of router 1 (RFC 9568 section 7.3).
const VIRTUAL_MAC: MacAddress = MacAddress::from_octets([0, 0, 0x5e, 0, 1, 1]);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddress = MacAddress::from_octets([0x33, 0x33, 0, 0, 0, 1]);
/// Hosts on which each of the ports is: two that share, one beside each of them, one alone.
const PLACES: [usize; PORTS] = [0, 1, 0, 1, 2];
const PORTS: usize = 5;
/// The two that share.
const SHARERS: [usize; 2] = [0, 1];
/// The three that only want to reach them.
const CLIENTS: [usize; 3] = [2, 3, 4];

/// Instances on three hosts.
struct World {
    /// Hosts of the ports.
    places: [usize; PORTS],
    hosts: [Host; 3],
    net: Net,
    group: SecurityGroupSpec,
    ports: Vec<PortSpec>,
    guests: Vec<Guest>,
}

impl World {
    /// The first two have these pairs.
    fn new(vni: u32, mac: Option<MacAddress>) -> Self {
        let pairs = pairs(mac);
        Self::with(vni, |n, port| {
            if SHARERS.contains(&n) {
                port.allowed_address_pairs = pairs.clone();
            }
        })
    }

    fn with(vni: u32, change: impl Fn(usize, &mut PortSpec)) -> Self {
        Self::at(vni, PLACES, change)
    }

    fn at(vni: u32, places: [usize; PORTS], change: impl Fn(usize, &mut PortSpec)) -> Self {
        let (hosts, net) = (Host::three(), Net::new(vni));
        let all_in = [Ethertype::Ipv4, Ethertype::Ipv6].map(|family| rule(Direction::Ingress, family, None, None));
        let group = group([all_out(), all_in.to_vec()].concat());
        let port = |n: usize| {
            let mut port = net.port(10 + u8::try_from(n).unwrap());
            port.security_group_ids = Some(vec![group.id]);
            change(n, &mut port);
            port
        };
        let ports: Vec<PortSpec> = (0..places.len()).map(port).collect();
        let mut world = Self { places, hosts, net, group, ports, guests: Vec::new() };
        world.tell();
        world.guests =
            world.places.iter().zip(&world.ports).map(|(n, port)| Guest::boot(&world.hosts[*n], port)).collect();
        world
    }

    /// Tells every host of every port, as the control plane would.
    fn tell(&self) {
        for (n, host) in self.hosts.iter().enumerate() {
            let mut told = vec![self.net.set(), set_group(&self.group)];
            let port = |(place, port): (&usize, &PortSpec)| {
                if *place == n { set_port(port) } else { peer(port, &self.hosts[*place]) }
            };
            told.extend(self.places.iter().zip(&self.ports).map(port));
            let seen = host.change(told);
            assert!(!seen.outstanding, "{}", host.outstanding());
        }
        self.is_quiet();
    }

    fn is_quiet(&self) {
        for host in &self.hosts {
            let again = host.full();
            assert_eq!((again.actions, again.outstanding), (0, false), "{}", host.outstanding());
        }
    }

    fn host(&self, n: usize) -> &Host {
        &self.hosts[self.places[n]]
    }

    /// What a named counter of a port's host has counted.
    fn counted(&self, n: usize, counter: &str) -> u64 {
        let number = self.host(n).sh(&format!("nft list counter bridge ik {counter} | grep -o 'packets [0-9]*'"));
        number.trim().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Sends a frame and expects it as it is at these others.
    fn says_to(&mut self, from: usize, to: &[usize], frame: &[u8]) {
        self.guests[from].send(frame);
        for n in to {
            self.guests[*n].expect(&format!("what {from} said"), |seen| (seen == frame).then_some(()));
        }
    }

    /// Sends a frame that must not come to these others.
    fn says_in_vain(&mut self, from: usize, to: &[usize], frame: &[u8]) {
        self.guests[from].send(frame);
        for n in to {
            let marker = say4(&self.guests[from], self.guests[*n].mac, self.guests[*n].ip, b"the-marker");
            self.guests[from].send(&marker);
            self.guests[*n].never_before(b"the-marker", "what nobody else should hear", |seen| seen == frame);
        }
    }

    /// `holder` announces both addresses at a MAC address, and all others hear it.
    fn announces(&mut self, holder: usize, mac: MacAddress) {
        let others: Vec<usize> = (0..PORTS).filter(|n| *n != holder).collect();
        self.says_to(holder, &others, &gratuitous(mac, VIRTUAL_4));
        self.says_to(holder, &others, &unsolicited(mac, VIRTUAL_6));
    }

    /// Each client's datagrams to the shared addresses at this MAC address come to one of the two
    /// and not to the other, whose answers come back.
    fn reach(&mut self, holder: usize, mac: MacAddress) {
        let other = SHARERS[1 - holder];
        for client in CLIENTS {
            let text = format!("from {client} to {holder}");
            let (from, port) = (&self.guests[client], &self.ports[client]);
            let four = say4(from, mac, VIRTUAL_4, text.as_bytes());
            let six = say6(from, six(port), mac, VIRTUAL_6, text.as_bytes());
            self.says_to(client, &[holder], &four);
            self.says_to(client, &[holder], &six);
            let marker = say4(&self.guests[client], self.guests[other].mac, self.guests[other].ip, b"the-marker");
            self.guests[client].send(&marker);
            self.guests[other].never_before(b"the-marker", "another's", |seen| contains(seen, text.as_bytes()));
            let (to, ip) = (self.guests[client].mac, self.guests[client].ip);
            let back = ethernet(to, mac, 0x0800, &udp4((VIRTUAL_4, 7), (ip, 7), text.as_bytes()));
            self.says_to(holder, &[client], &back);
        }
    }

    /// Each client asks where the addresses are; one of the two says: here.
    fn is_found(&mut self, holder: usize, mac: MacAddress) {
        for client in CLIENTS {
            let (asker, ip, ip6) = (self.guests[client].mac, self.guests[client].ip, six(&self.ports[client]));
            let question = ethernet(BROADCAST, asker, 0x0806, &arp(1, (asker, ip), (BROADCAST, VIRTUAL_4)));
            self.says_to(client, &SHARERS, &question);
            let answer = ethernet(asker, mac, 0x0806, &arp(2, (mac, VIRTUAL_4), (asker, ip)));
            self.says_to(holder, &[client], &answer);
            let (all, all_mac) = solicited(VIRTUAL_6);
            let question = ethernet(all_mac, asker, 0x86dd, &icmp6(ip6, all, &neighbour(135, VIRTUAL_6, asker)));
            self.says_to(client, &SHARERS, &question);
            let answer = ethernet(asker, mac, 0x86dd, &icmp6(VIRTUAL_6, ip6, &neighbour(136, VIRTUAL_6, mac)));
            self.says_to(holder, &[client], &answer);
        }
    }
}

fn pairs(mac: Option<MacAddress>) -> Vec<AddressPair> {
    [format!("{VIRTUAL_4}/31"), format!("{VIRTUAL_6}/127")]
        .map(|cidr| AddressPair::new(mac, cidr.parse().unwrap()).unwrap())
        .to_vec()
}

fn say4(from: &Guest, to: MacAddress, ip: Ipv4Addr, text: &[u8]) -> Vec<u8> {
    ethernet(to, from.mac, 0x0800, &udp4((from.ip, 7), (ip, 7), text))
}

fn say6(from: &Guest, own: Ipv6Addr, to: MacAddress, ip: Ipv6Addr, text: &[u8]) -> Vec<u8> {
    ethernet(to, from.mac, 0x86dd, &udp6((own, 7), (ip, 7), text))
}

fn gratuitous(mac: MacAddress, ip: Ipv4Addr) -> Vec<u8> {
    ethernet(BROADCAST, mac, 0x0806, &arp(1, (mac, ip), (BROADCAST, ip)))
}

fn unsolicited(mac: MacAddress, ip: Ipv6Addr) -> Vec<u8> {
    let mut message = neighbour(136, ip, mac);
    message[4] = 0x20;
    ethernet(ALL_NODES_MAC, mac, 0x86dd, &icmp6(ip, ALL_NODES, &message))
}

/// With their own MAC addresses: announcements and questions cross hosts, so every instance's own
/// neighbour table follows.
#[test]
fn a_shared_address_moves_between_hosts_by_gratuitous_arp() {
    needs_kernel!();
    let mut world = World::new(0x701, None);
    let macs = SHARERS.map(|n| world.guests[n].mac);
    for holder in [0, 1, 0] {
        world.announces(holder, macs[holder]);
        world.is_found(holder, macs[holder]);
        world.reach(holder, macs[holder]);
    }
    world.is_quiet();
}

/// With one MAC address for both: bridges and tunnels learn where it is.
#[test]
fn a_shared_mac_address_moves_between_hosts() {
    needs_kernel!();
    let mut world = World::new(0x702, Some(VIRTUAL_MAC));
    // Nobody announced anything: the answer itself says where it is.
    world.is_found(0, VIRTUAL_MAC);
    world.reach(0, VIRTUAL_MAC);
    for holder in [1, 0, 1] {
        world.announces(holder, VIRTUAL_MAC);
        world.reach(holder, VIRTUAL_MAC);
    }
    // One of the two kinds of announcement is enough.
    let others: Vec<usize> = (1..PORTS).collect();
    world.says_to(0, &others, &unsolicited(VIRTUAL_MAC, VIRTUAL_6));
    world.reach(0, VIRTUAL_MAC);
    world.is_quiet();
    for host in &world.hosts {
        host.restart();
    }
    world.is_quiet();
    world.reach(0, VIRTUAL_MAC);
}

/// Both on one host, with clients beside them and elsewhere.
#[test]
fn a_shared_mac_address_moves_within_a_host() {
    needs_kernel!();
    let shared = pairs(Some(VIRTUAL_MAC));
    let mut world = World::at(0x709, [1, 1, 0, 1, 2], |n, port| {
        if SHARERS.contains(&n) {
            port.allowed_address_pairs = shared.clone();
        }
    });
    for holder in [0, 1, 0] {
        world.announces(holder, VIRTUAL_MAC);
        world.is_found(holder, VIRTUAL_MAC);
        world.reach(holder, VIRTUAL_MAC);
    }
    world.is_quiet();
}

/// Who has no pair attracts nothing, whatever it says and however; nor does one without port
/// security on other hosts.
#[test]
fn nobody_else_attracts_a_shared_address() {
    needs_kernel!();
    let shared = pairs(Some(VIRTUAL_MAC));
    let mut world = World::with(0x703, |n, port| {
        if SHARERS.contains(&n) {
            port.allowed_address_pairs = shared.clone();
        }
        port.is_secured = n != 3;
    });
    world.announces(0, VIRTUAL_MAC);
    let (thief, own) = (4, world.guests[4].mac);
    let all_others = [0, 1, 2, 3];
    for (frame, counter) in [
        (gratuitous(own, VIRTUAL_4), "spoofed_arp"),
        (gratuitous(VIRTUAL_MAC, VIRTUAL_4), "spoofed_mac"),
        (unsolicited(own, VIRTUAL_6), "spoofed_nd"),
        (unsolicited(VIRTUAL_MAC, VIRTUAL_6), "spoofed_mac"),
        (ethernet(own, VIRTUAL_MAC, 0x0800, &udp4((VIRTUAL_4, 7), (VIRTUAL_4, 7), b"bait")), "spoofed_mac"),
    ] {
        let before = world.counted(thief, counter);
        world.says_in_vain(thief, &all_others, &frame);
        assert!(world.counted(thief, counter) > before, "{counter}: nothing was counted");
    }
    world.reach(0, VIRTUAL_MAC);

    let (open, own) = (3, world.guests[3].mac);
    let elsewhere = [0, 2, 4];
    let (beside4, beside6) =
        (Ipv4Addr::from_bits(VIRTUAL_4.to_bits() + 1), Ipv6Addr::from_bits(VIRTUAL_6.to_bits() + 1));
    let to_all = |message: &[u8]| ethernet(ALL_NODES_MAC, own, 0x86dd, &icmp6(VIRTUAL_6, ALL_NODES, message));
    for frame in [
        gratuitous(own, VIRTUAL_4),
        unsolicited(own, VIRTUAL_6),
        // The bridge keeps the above from the tunnel, and only the filter these.
        ethernet(BROADCAST, own, 0x0806, &arp(1, (own, VIRTUAL_4), (BROADCAST, beside4))),
        ethernet(BROADCAST, own, 0x0806, &arp(2, (own, VIRTUAL_4), (BROADCAST, beside4))),
        ethernet(BROADCAST, own, 0x0806, &arp(1, (VIRTUAL_MAC, world.guests[3].ip), (BROADCAST, VIRTUAL_4))),
        to_all(&neighbour(136, VIRTUAL_6, own)),
        to_all(&neighbour(135, beside6, own)),
    ] {
        world.says_in_vain(open, &elsewhere, &frame);
    }
    let before = world.counted(open, "foreign_mac");
    for n in elsewhere {
        let frame = ethernet(world.guests[n].mac, VIRTUAL_MAC, 0x0800, &udp4((VIRTUAL_4, 7), (VIRTUAL_4, 7), b"bait"));
        world.says_in_vain(open, &[n], &frame);
    }
    assert!(world.counted(open, "foreign_mac") >= before + 3);
    // From its own address it speaks to other hosts as ever.
    let (to, ip) = (world.guests[4].mac, world.guests[4].ip);
    let hello = say4(&world.guests[open], to, ip, b"hello");
    world.says_to(open, &[4], &hello);
    world.reach(0, VIRTUAL_MAC);
}

/// A pair that names another port's own MAC address takes nothing from that port, on any host.
#[test]
fn an_own_mac_address_is_not_learned_elsewhere() {
    needs_kernel!();
    let victim = MacAddress::local([0, 0, 0, 0, 14]);
    let stolen = pairs(Some(victim));
    let mut world = World::with(0x704, |n, port| {
        if n == 0 {
            port.allowed_address_pairs = stolen.clone();
        }
    });
    assert_eq!(world.guests[4].mac, victim);
    let ip = world.guests[4].ip;
    world.guests[0].send(&gratuitous(victim, VIRTUAL_4));
    world.guests[0].send(&unsolicited(victim, VIRTUAL_6));
    for n in [1, 2, 3, 4] {
        let bait =
            ethernet(world.guests[n].mac, victim, 0x0800, &udp4((VIRTUAL_4, 7), (world.guests[n].ip, 7), b"bait"));
        world.guests[0].send(&bait);
        let marker = say4(&world.guests[0], world.guests[n].mac, world.guests[n].ip, b"the-marker");
        world.says_to(0, &[n], &marker);
    }
    for client in [1, 2, 3, 0] {
        let text = format!("still to it, from {client}");
        let frame = say4(&world.guests[client], victim, ip, text.as_bytes());
        world.says_to(client, &[4], &frame);
    }
    world.is_quiet();
}

/// Of what is sent to many nothing else crosses hosts, from those that share addresses neither.
#[test]
fn only_what_is_about_shared_addresses_crosses() {
    needs_kernel!();
    let mut world = World::new(0x705, None);
    let to_many = |world: &World, n: usize, ip: [u8; 4], mac: MacAddress, port: u16| {
        ethernet(mac, world.guests[n].mac, 0x0800, &udp4((world.guests[n].ip, port), (ip.into(), port), b"many"))
    };
    let vrrp = MacAddress::from_octets([1, 0, 0x5e, 0, 0, 18]);
    for (from, elsewhere) in [(0, [1, 4]), (2, [1, 4])] {
        let (mac, ip, own6) = (world.guests[from].mac, world.guests[from].ip, six(&world.ports[from]));
        let discover = ethernet(
            BROADCAST,
            mac,
            0x0800,
            &udp4((Ipv4Addr::UNSPECIFIED, 68), (Ipv4Addr::BROADCAST, 67), b"discover"),
        );
        let solicits_routers =
            ethernet(ALL_NODES_MAC, mac, 0x86dd, &icmp6(own6, ALL_NODES, &[133, 0, 0, 0, 0, 0, 0, 0]));
        for frame in [
            to_many(&world, from, [255; 4], BROADCAST, 9),
            to_many(&world, from, [224, 0, 0, 18], vrrp, 9),
            discover,
            solicits_routers,
        ] {
            world.says_in_vain(from, &elsewhere, &frame);
        }
        if from == 2 {
            let ordinary = Ipv4Addr::new(10, 0, 0, 77);
            let question = ethernet(BROADCAST, mac, 0x0806, &arp(1, (mac, ip), (BROADCAST, ordinary)));
            world.says_in_vain(from, &elsewhere, &question);
            world.says_in_vain(from, &elsewhere, &gratuitous(mac, ip));
            world.says_in_vain(from, &elsewhere, &unsolicited(mac, own6));
        }
    }
    // The bridge answers nothing for a port that shares; it asks across hosts by itself.
    let (mac, ip, to) = (world.guests[0].mac, world.guests[0].ip, world.guests[4].ip);
    world.says_to(0, &[4], &ethernet(BROADCAST, mac, 0x0806, &arp(1, (mac, ip), (BROADCAST, to))));
    // And answers for all others, as ever.
    let (mac, ip) = (world.guests[2].mac, world.guests[2].ip);
    world.guests[2].send(&ethernet(BROADCAST, mac, 0x0806, &arp(1, (mac, ip), (BROADCAST, to))));
    let answer = arp(2, (world.guests[4].mac, to), (mac, ip));
    world.guests[2].expect("the answer of the bridge", |frame| contains(frame, &answer).then_some(()));
}

/// One port's questions, each of which goes to many hosts, are bounded.
#[test]
fn what_goes_to_many_hosts_is_paced() {
    needs_kernel!();
    let mut world = World::new(0x706, None);
    let (mac, ip) = (world.guests[4].mac, world.guests[4].ip);
    let question = ethernet(BROADCAST, mac, 0x0806, &arp(1, (mac, ip), (BROADCAST, VIRTUAL_4)));
    let start = Instant::now();
    (0..600).for_each(|_| world.guests[4].send(&question));
    let most = 200 + 2 + earned(start, 100);
    // Each goes to the two hosts of those that share by one copy at the filter.
    let passed = 600 - world.counted(4, "asked_too_often");
    assert!((200..=most).contains(&passed), "{passed} of 600 crossed, at most {most} may");
    // Another port is not held back by that.
    world.says_to(0, &[1, 4], &gratuitous(world.guests[0].mac, VIRTUAL_4));
    world.is_quiet();
}

/// What an address that moves needs is mended, piece by piece, and goes with the last pair.
#[test]
fn what_sharing_needs_is_mended_and_goes_with_it() {
    needs_kernel!();
    let mut world = World::new(0x707, Some(VIRTUAL_MAC));
    let (bridge, vxlan) = (world.net.vni().bridge(), world.net.vni().vxlan());
    let (tap, mac, beside) = (world.ports[0].tap.clone(), world.ports[0].mac, world.ports[2].tap.clone());
    let many = "00:00:00:00:00:00";
    for harm in [
        format!("bridge fdb del {many} dev {vxlan} dst 192.0.2.2 self"),
        format!(
            "bridge fdb del {many} dev {vxlan} dst 192.0.2.2 self; bridge fdb del {many} dev {vxlan} dst 192.0.2.3 self"
        ),
        format!("bridge fdb append {many} dev {vxlan} dst 192.0.2.9 self permanent"),
        format!("bridge link set dev {vxlan} mcast_flood off"),
        format!("bridge link set dev {vxlan} bcast_flood off learning off"),
        format!("bridge link set dev {tap} neigh_suppress off"),
        format!("bridge link set dev {tap} learning off"),
        format!("bridge link set dev {beside} learning on"),
        format!("ip link set {vxlan} type vxlan id {} nolearning", 0x707),
        format!("ip link set {vxlan} type vxlan id {} ageing 10", 0x707),
        format!("ip link set {bridge} type bridge ageing_time 1000"),
        format!("bridge fdb replace {mac} dev {tap} master static"),
        format!("nft delete element bridge ik shared4 '{{ \"{vxlan}\" . {VIRTUAL_4}/31 }}'"),
        format!("nft delete element bridge ik tap_shares '{{ \"{tap}\" }}'"),
        format!("nft add element bridge ik shared6 '{{ \"{vxlan}\" . fd00:9::/64 }}'"),
        format!("ip link del {vxlan}"),
    ] {
        world.hosts[0].sh(&harm);
        let mended = world.hosts[0].full();
        assert!(mended.actions > 0 && !mended.outstanding, "{harm}: {mended:?} {}", world.hosts[0].outstanding());
        world.is_quiet();
    }
    world.announces(1, VIRTUAL_MAC);
    world.reach(1, VIRTUAL_MAC);

    let learned = |host: &Host| host.sh("bridge fdb").matches(&VIRTUAL_MAC.to_string()).count();
    assert!(world.hosts.iter().all(|host| learned(host) > 0), "each knows where it is");
    for port in &mut world.ports {
        port.allowed_address_pairs.clear();
    }
    world.hosts[2].change(vec![peer(&world.ports[0], &world.hosts[0])]);
    assert!(world.hosts[2].sh("bridge fdb").contains(many), "one still shares");
    for host in &world.hosts {
        host.change(
            PLACES
                .iter()
                .zip(&world.ports)
                .map(|(place, port)| {
                    if std::ptr::eq(host, &world.hosts[*place]) {
                        set_port(port)
                    } else {
                        peer(port, &world.hosts[*place])
                    }
                })
                .collect(),
        );
        assert_eq!(learned(host), 0, "{}", host.sh("bridge fdb"));
        assert!(!host.sh("bridge fdb").contains(many));
        let taps = host.sh("bridge -d link | grep -A1 ': ik'");
        assert!(!taps.contains("learning on"), "{taps}");
    }
    world.is_quiet();
}

/// The kernel of a client on a third host follows: each new connection to the shared address ends
/// at the instance that announced it last.
#[test]
fn connections_follow_a_shared_address() {
    needs_kernel!();
    let mut world = World::new(0x708, None);
    world.guests.clear();
    let boot = |n: usize| Instance::boot(&world.hosts[world.places[n]], &world.ports[n]);
    let mut sharers = SHARERS.map(boot);
    let client = boot(4);
    for (n, instance) in sharers.iter().enumerate() {
        instance.sh("sysctl -qw net.ipv6.bindv6only=0");
        instance.on(move || {
            let listener = TcpListener::bind("[::]:80").unwrap();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    stream.unwrap().write_all(&[u8::try_from(n).unwrap()]).unwrap();
                }
            });
        });
    }
    let macs = SHARERS.map(|n| world.ports[n].mac);
    for holder in [0, 1, 0, 1] {
        sharers[1 - holder].sh("ip address flush dev eth0 to 10.0.0.100; ip -6 address flush dev eth0 to fd00:1::64");
        sharers[holder].sh("ip address add 10.0.0.100/24 dev eth0; ip address add fd00:1::64/64 dev eth0 nodad");
        sharers[holder].send(&gratuitous(macs[holder], VIRTUAL_4));
        sharers[holder].send(&unsolicited(macs[holder], VIRTUAL_6));
        for address in [IpAddr::from(VIRTUAL_4), IpAddr::from(VIRTUAL_6)] {
            let said = client.on(move || {
                let mut stream = TcpStream::connect(SocketAddr::new(address, 80)).unwrap();
                let mut said = Vec::new();
                stream.read_to_end(&mut said).unwrap();
                said
            });
            assert_eq!(said, [u8::try_from(holder).unwrap()], "{address}");
        }
    }
    world.is_quiet();
}
