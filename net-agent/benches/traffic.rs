//! Measures what the filter costs: two hosts of ours with security groups on, beside the same
//! bridge and VXLAN made by hand without a filter, in one run, in throw-away namespaces.
//! `cargo bench -p iroko-net-agent --bench traffic`, as root.
//!
//! Frames are written to one tap and read from the other by this program, a window of them at a
//! time; its own work is the same on both paths and is part of both times.

#![allow(clippy::unwrap_used, dead_code, reason = "a program that measures may end where it cannot")]

#[path = "../tests/kernel/frame.rs"]
mod frame;
#[path = "../tests/kernel/guest.rs"]
mod guest;
#[path = "../tests/kernel/lab.rs"]
mod lab;

use frame::{ethernet, udp4};
use guest::Guest;
use iroko_agent_wire::{Change, MemberSpec, Object, PortSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::security_group::{Direction, Ethertype, Remote, Rule, RuleParts};
use iroko_model::{MacAddress, PortId, SecurityGroupId, SecurityGroupRuleId};
use lab::{Host, Net, peer, set_port};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ports of the network on both hosts together.
const SIZES: [u16; 3] = [1, 60, 500];
/// Frames on their way at once, and how often such a window is sent; exchanges of one frame.
const WINDOW: u32 = 200;
const WINDOWS: u32 = 100;
const EXCHANGES: u32 = 2000;
/// Octets of a datagram that the host cuts, and of what it is cut into; how many are sent.
const LARGE: u32 = 43 * PIECE;
const PIECE: u32 = 1400;
const LARGES: u32 = 1500;
/// Both paths in turn, this often; the median counts.
const ROUNDS: usize = 5;

fn main() {
    if let Some(why) = lab::missing() {
        println!("skipped: {why}");
        return;
    }
    println!("| ports on the network | what | ours | by hand | ratio |\n| ---: | --- | ---: | ---: | ---: |");
    for size in SIZES {
        let (mut ours, mut by_hand) = (Path::ours(size), Path::by_hand());
        let mut times = [const { Vec::new() }; 6];
        for _ in 0..ROUNDS {
            times[0].push(ours.bulk());
            times[1].push(by_hand.bulk());
            times[2].push(ours.round_trip());
            times[3].push(by_hand.round_trip());
            times[4].push(ours.large());
            times[5].push(by_hand.large());
        }
        let [bulk, bulk_by_hand, trip, trip_by_hand, large, large_by_hand] = times.map(median);
        let show = |what, unit, ours: f64, by_hand: f64| {
            println!("| {size} | {what} | {ours:.2} {unit} | {by_hand:.2} {unit} | {:.2} |", ours / by_hand);
        };
        let gigabits = |took: Duration| f64::from(LARGE * LARGES) * 8e-9 / took.as_secs_f64();
        show("bulk in 60 kB segments", "Gbit/s", gigabits(large), gigabits(large_by_hand));
        let rate = |took: Duration| f64::from(WINDOW * WINDOWS) * 1e-3 / took.as_secs_f64();
        show("frames of full size, one by one", "thousand/s", rate(bulk), rate(bulk_by_hand));
        show("round trip", "µs", micros(trip), micros(trip_by_hand));
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(EXCHANGES)
}

/// Two instances on two hosts.
struct Path {
    _hosts: (Host, Host),
    guests: (Guest, Guest),
}

impl Path {
    /// As the agent makes it: both in a group whose members may talk, and other ports on the network.
    fn ours(size: u16) -> Self {
        let (hosts, net) = (Host::pair(), Net::new(0xa001));
        let group = group();
        let ports: Vec<PortSpec> = (0..size.max(2)).map(|n| port(&net, n, group.id)).collect();
        for (here, there, local) in [(&hosts.0, &hosts.1, 0), (&hosts.1, &hosts.0, 1)] {
            let mut told = vec![net.set(), Change::Set(Object::SecurityGroup(Arc::new(group.clone())))];
            for (n, port) in ports.iter().enumerate() {
                told.push(if n % 2 == local { set_port(port) } else { peer(port, there) });
            }
            told.extend(ports.iter().map(|port| member(group.id, port)));
            let seen = here.change(told);
            assert!(!seen.outstanding, "{}", here.outstanding());
        }
        let guests = (Guest::boot(&hosts.0, &ports[0]), Guest::boot(&hosts.1, &ports[1]));
        Self { _hosts: hosts, guests }
    }

    /// The same by hand.
    fn by_hand() -> Self {
        let (hosts, net) = (Host::pair(), Net::new(0xa002));
        let mut ports = [port(&net, 0, SecurityGroupId::new()), port(&net, 1, SecurityGroupId::new())];
        for (here, there, own, other) in [(&hosts.0, &hosts.1, 0, 1), (&hosts.1, &hosts.0, 1, 0)] {
            ports[own].tap = "tap0".to_owned();
            let (local, remote, mac) = (here.vtep, there.vtep, ports[other].mac);
            here.sh(&format!(
                "ip link add br0 type bridge && ip link set br0 up mtu 1450 &&
                 ip link add vx0 type vxlan id 5 local {local} dstport 4789 nolearning &&
                 ip tuntap add dev tap0 mode tap vnet_hdr multi_queue &&
                 for device in vx0 tap0; do ip link set $device master br0 mtu 1450 up; done &&
                 bridge fdb add {mac} dev vx0 dst {remote} self && bridge fdb add {mac} dev vx0 master static &&
                 bridge fdb add {} dev tap0 master static",
                ports[own].mac
            ));
        }
        let guests = (Guest::boot(&hosts.0, &ports[0]), Guest::boot(&hosts.1, &ports[1]));
        Self { _hosts: hosts, guests }
    }

    /// Datagrams of full size from the first to the second, a window at a time.
    fn bulk(&mut self) -> Duration {
        let (one, two) = (&mut self.guests.0, &mut self.guests.1);
        let frame = |text: &[u8]| {
            ethernet(two.mac, one.mac, 0x0800, &udp4((one.ip, 7000), (two.ip, 7000), &[text, &[0; 1380]].concat()))
        };
        let (datagram, last) = (frame(b"datagram"), frame(b"the-last"));
        let start = Instant::now();
        for _ in 0..WINDOWS {
            (1..WINDOW).for_each(|_| one.send(&datagram));
            one.send(&last);
            let mut came = 0;
            two.expect("the last of the window", |seen| {
                came += u32::from(seen.len() > 1000);
                (seen == last.as_slice()).then_some(())
            });
            assert_eq!(came, WINDOW, "nothing is lost");
        }
        start.elapsed()
    }

    /// Datagrams that the host cuts, as guests leave it to (`VIRTIO_NET_HDR_GSO_UDP_L4`), each waited
    /// for.
    fn large(&mut self) -> Duration {
        let (one, two) = (&mut self.guests.0, &mut self.guests.1);
        let mut packet = udp4((one.ip, 7000), (two.ip, 7000), &vec![7; usize::try_from(LARGE).unwrap()]);
        // The checksum so far: of the pseudo header.
        let length = u32::try_from(packet.len() - 20).unwrap();
        let words = packet[12..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let sum = words.sum::<u32>() + 17 + length;
        let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        let frame = ethernet(two.mac, one.mac, 0x0800, &packet);
        let [low, high] = u16::try_from(PIECE).unwrap().to_le_bytes();
        let header = [1, 5, 42, 0, low, high, 34, 0, 6, 0];
        let start = Instant::now();
        for _ in 0..LARGES {
            one.send_with(header, &frame);
            let mut left = LARGE / PIECE;
            two.expect("all pieces", |seen| {
                left -= u32::from(seen.len() > 1000);
                (left == 0).then_some(())
            });
        }
        start.elapsed()
    }

    /// A short datagram there and one back, one after the other.
    fn round_trip(&mut self) -> Duration {
        let (one, two) = (&mut self.guests.0, &mut self.guests.1);
        let there = ethernet(two.mac, one.mac, 0x0800, &udp4((one.ip, 7000), (two.ip, 7000), b"there"));
        let back = ethernet(one.mac, two.mac, 0x0800, &udp4((two.ip, 7000), (one.ip, 7000), b"back!"));
        let start = Instant::now();
        for _ in 0..EXCHANGES {
            one.send(&there);
            two.expect("the datagram", |seen| (seen == there.as_slice()).then_some(()));
            two.send(&back);
            one.expect("the answer", |seen| (seen == back.as_slice()).then_some(()));
        }
        start.elapsed()
    }
}

/// A group like every project's default: out goes all, in come its members.
fn group() -> SecurityGroupSpec {
    let id = SecurityGroupId::new();
    let rule = |direction, remote| {
        let parts =
            RuleParts { direction, ethertype: Ethertype::Ipv4, protocol: None, ports: None, icmp: None, remote };
        RuleSpec { id: SecurityGroupRuleId::new(), rule: Rule::try_from(parts).unwrap() }
    };
    let rules = vec![rule(Direction::Egress, Remote::Any), rule(Direction::Ingress, Remote::Group(id))];
    SecurityGroupSpec { id, generation: 1, is_stateful: true, rules }
}

fn member(group_id: SecurityGroupId, port: &PortSpec) -> Change {
    Change::Set(Object::Member(Arc::new(MemberSpec {
        group_id,
        port_id: port.id,
        network_id: port.network_id,
        mac: port.mac,
        addresses: port.addresses.clone(),
    })))
}

fn port(net: &Net, n: u16, group: SecurityGroupId) -> PortSpec {
    let mut port = net.port(0);
    let [high, low] = n.to_be_bytes();
    port.id = PortId::new();
    port.tap = iroko_model::address::tap_name(port.id);
    port.mac = MacAddress::local([0, 0, 2, high, low]);
    port.addresses = vec![format!("10.0.{}.{}", 8 + high, low).parse().unwrap()];
    port.security_group_ids = Some(vec![group]);
    port
}
