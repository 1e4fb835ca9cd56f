//! The host's table of flows: no port takes more than its room, and others go on meanwhile.

use crate::frame::{ethernet, udp4};
use crate::groups::{all_out, group, rule, set_group};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, peer, set_port};
use crate::needs_kernel;
use crate::statistics::{counted, of};
use iroko_agent_wire::{Change, ObjectKey, PortSpec, SecurityGroupSpec};
use iroko_model::security_group::{Direction, Ethertype, Protocol};
use iroko_net_agent::Config;
use std::time::Instant;

/// Room of a port, and flows that it may begin in a second.
const ROOM: u32 = 256;
const PER_SECOND: u32 = 50;
/// What is tried: far more than the room.
const TRIED: u16 = 3000;
/// Flows of markers, the service and whatever else a test has.
const OTHERS: u32 = 20;

fn small(config: &mut Config) {
    (config.flows_per_port, config.new_flows_per_port_s) = (ROOM, PER_SECOND);
}

fn entries(host: &Host) -> u32 {
    host.sh("cat /proc/sys/net/netfilter/nf_conntrack_count").trim().parse().unwrap()
}

fn datagram(from: &Guest, to: &Guest, port: u16, text: &[u8]) -> Vec<u8> {
    ethernet(to.mac, from.mac, 0x0800, &udp4((from.ip, port), (to.ip, 9), text))
}

/// As many flows as it can begin; the most that its room and the time it took allow.
fn flood(from: &mut Guest, to: &Guest) -> u32 {
    let start = Instant::now();
    (0..TRIED).for_each(|n| from.send(&datagram(from, to, 2000 + n, b"one-of-many")));
    ROOM.max(ROOM.min(PER_SECOND * u32::try_from(start.elapsed().as_secs() + 1).unwrap()))
}

/// An exchange of datagrams, so that the flow is known.
fn exchange(one: &mut Guest, two: &mut Guest, port: u16, text: &[u8; 10]) {
    one.send(&datagram(one, two, port, text));
    two.expect("the question", |seen| contains(seen, text).then_some(()));
    two.send(&ethernet(one.mac, two.mac, 0x0800, &udp4((two.ip, 9), (one.ip, port), b"the-answer")));
    one.expect("the answer", |seen| contains(seen, b"the-answer").then_some(()));
}

/// Sends all, takes datagrams to port 9.
fn groups() -> SecurityGroupSpec {
    let mut rules = all_out();
    rules.push(rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(9)));
    group(rules)
}

#[test]
fn a_port_cannot_fill_the_hosts_table() {
    needs_kernel!();
    let (host, net) = (Host::with(1, small), Net::new(0x801));
    let group = groups();
    let [a, b, c] = [10, 20, 30].map(|n| PortSpec { security_group_ids: Some(vec![group.id]), ..net.port(n) });
    host.change(vec![net.set(), set_group(&group), set_port(&a), set_port(&b), set_port(&c)]);
    counted(&host);
    let (mut one, mut two, mut three) = (Guest::boot(&host, &a), Guest::boot(&host, &b), Guest::boot(&host, &c));
    exchange(&mut one, &mut two, 1000, b"known-flow");
    let before = entries(&host);
    let most = flood(&mut one, &two);
    let took = entries(&host) - before;
    assert!((ROOM / 2..=most + OTHERS).contains(&took), "{took} entries, {most} are allowed");

    // What it began before goes on, and others begin what they want, also to the same instance.
    exchange(&mut one, &mut two, 1000, b"goes-on---");
    exchange(&mut three, &mut one, 1001, b"of-another");
    let seen = of(&counted(&host), &a);
    assert!(seen.tx_dropped_flows >= u64::from(u32::from(TRIED) - most - OTHERS), "{seen:?}");
    assert_eq!((seen.tx_dropped_limits, seen.tx_dropped_groups, seen.rx_dropped_flows), (0, 0, 0), "{seen:?}");
    assert_eq!(of(&counted(&host), &c).tx_dropped_flows, 0);

    // A restart, a change of its groups, and a hand forgive nothing for good.
    host.restart();
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    host.sh("nft flush set inet ik begins");
    assert_eq!(host.full().actions, 3, "{}", host.outstanding());
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
    assert!(!host.change(vec![Change::Gone(ObjectKey::Port(a.id))]).outstanding);
    assert!(!host.sh("nft list table inet ik").contains(&a.mac.to_string()), "what was counted of it is forgotten");
}

/// Many hosts together could fill a host's table by what they send to one of its ports.
#[test]
fn others_cannot_fill_it_either() {
    needs_kernel!();
    let net = Net::new(0x802);
    let (first, second) = Host::pair_with(|_| {}, small);
    let group = groups();
    let [a, b, c] = [10, 20, 30].map(|n| PortSpec { security_group_ids: Some(vec![group.id]), ..net.port(n) });
    first.change(vec![net.set(), set_group(&group), set_port(&a), peer(&b, &second), peer(&c, &second)]);
    second.change(vec![net.set(), set_group(&group), set_port(&b), set_port(&c), peer(&a, &first)]);
    counted(&second);
    let (mut one, mut two, mut three) = (Guest::boot(&first, &a), Guest::boot(&second, &b), Guest::boot(&second, &c));
    exchange(&mut one, &mut two, 1000, b"known-flow");
    // What the receiver's groups refuse takes nothing of its room.
    let refused = |from: &Guest, to: &Guest, port: u16| {
        ethernet(to.mac, from.mac, 0x0800, &udp4((from.ip, port), (to.ip, 10), b"refused---"))
    };
    let before = entries(&second);
    (0..TRIED).for_each(|n| one.send(&refused(&one, &two, 2000 + n)));
    exchange(&mut one, &mut two, 1000, b"all-tried-");
    assert!(entries(&second) <= before + OTHERS);
    exchange(&mut one, &mut two, 1002, b"has-a-room");

    let most = flood(&mut one, &two);
    exchange(&mut one, &mut two, 1000, b"goes-on---");
    let took = entries(&second) - before;
    assert!((ROOM / 2..=most + OTHERS).contains(&took), "{took} entries, {most} are allowed");
    exchange(&mut one, &mut three, 1003, b"another---");
    exchange(&mut two, &mut one, 1004, b"it-begins-");
    let seen = of(&counted(&second), &b);
    assert!(seen.rx_dropped_flows >= u64::from(u32::from(TRIED) - most - OTHERS), "{seen:?}");
    assert_eq!((seen.rx_dropped_groups, seen.tx_dropped_flows), (u64::from(TRIED), 0), "{seen:?}");
}

/// A port that may send from whatever address has no more room by that.
#[test]
fn nor_can_a_port_without_port_security() {
    needs_kernel!();
    let (host, net) = (Host::with(1, small), Net::new(0x803));
    let [a, b] = [10, 20].map(|n| PortSpec { is_secured: false, ..net.port(n) });
    let [c, d] = [30, 40].map(|n| net.port(n));
    host.change(vec![net.set(), set_port(&a), set_port(&b), set_port(&c), set_port(&d)]);
    let [mut one, mut two, mut three, mut four] = [&a, &b, &c, &d].map(|port| Guest::boot(&host, port));
    exchange(&mut one, &mut two, 1000, b"known-flow");
    let before = entries(&host);
    for n in 0..TRIED {
        let mac = iroko_model::MacAddress::local([7, 7, 7, 0, n.to_be_bytes()[1]]);
        let packet = udp4((one.ip, 2000 + n), (two.ip, 9), b"one-of-many");
        one.send(&ethernet(two.mac, mac, 0x0800, &packet));
    }
    let took = entries(&host) - before;
    assert!((ROOM / 2..=ROOM + OTHERS).contains(&took), "{took} entries");
    exchange(&mut one, &mut two, 1000, b"goes-on---");
    // Those without share their room, others have theirs.
    exchange(&mut three, &mut four, 1001, b"of-another");
}

/// More ports share the same table: each has less.
#[test]
fn room_follows_the_number_of_ports() {
    needs_kernel!();
    let (host, net) = (Host::with(1, |config| config.flows_kept_for_host = u32::MAX), Net::new(0x804));
    let a = net.port(10);
    host.change(vec![net.set(), set_port(&a)]);
    let listed = || host.sh("nft list set inet ik begins");
    assert!(listed().contains("ct count 256"), "the least: {}", listed());
    let (host, most) = (Host::new(1), Config::default().flows_per_port);
    host.change(vec![net.set(), set_port(&a)]);
    let listed = || host.sh("nft list set inet ik begins");
    assert!(listed().contains(&format!("burst {most} packets ct count {most}")), "{}", listed());
    let more: Vec<PortSpec> = (20..80).map(|n| net.port(n)).collect();
    assert!(!host.change(more.iter().map(set_port).collect()).outstanding, "{}", host.outstanding());
    assert!(!listed().contains(&format!("ct count {most}")), "{}", listed());
    assert_eq!(host.full().actions, 0, "{}", host.outstanding());
}
