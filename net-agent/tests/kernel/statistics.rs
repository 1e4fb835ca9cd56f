//! What is counted of ports and rules on the real kernel, and that it only grows.

use crate::frame::{ethernet, udp4};
use crate::groups::{all_out, group, rule, set_group};
use crate::guest::{Guest, contains};
use crate::lab::{Host, Net, set_port};
use crate::limits;
use crate::needs_kernel;
use iroko_agent_wire::{Change, ObjectKey, PortCounts, PortSpec, RuleCounts};
use iroko_model::SecurityGroupRuleId;
use iroko_model::port::PortLimits;
use iroko_model::security_group::{Direction, Ethertype, Protocol};
use iroko_net_agent::Linux;
use iroko_net_agent::connection_log::Records;
use iroko_net_agent::statistics::Statistics;
use std::sync::Arc;

/// An agent on the host reads once and goes away again; what it counted is in its file.
pub fn counted(host: &Host) -> (Vec<PortCounts>, Vec<RuleCounts>) {
    let desired = host.desired.clone();
    host.on(move |runtime, agent| {
        runtime.block_on(async {
            let kernel = Arc::new(Linux::open(&agent.config).unwrap());
            let mut statistics = Statistics::open(&agent.config, kernel, Records::default());
            statistics.count(&desired).await.unwrap();
            statistics.unsent()
        })
    })
}

pub fn of(counts: &(Vec<PortCounts>, Vec<RuleCounts>), port: &PortSpec) -> PortCounts {
    counts.0.iter().find(|counts| counts.id == port.id).unwrap_or_else(|| panic!("{counts:?}")).clone()
}

fn of_rule(counts: &(Vec<PortCounts>, Vec<RuleCounts>), id: SecurityGroupRuleId) -> (u64, u64) {
    counts.1.iter().find(|counts| counts.id == id).map(|counts| (counts.packets, counts.bytes)).unwrap_or_default()
}

/// Ten octets to a port.
fn datagram(from: &Guest, to: &Guest, port: u16, text: &[u8; 10]) -> Vec<u8> {
    ethernet(to.mac, from.mac, 0x0800, &udp4((from.ip, 7000), (to.ip, port), text))
}

#[test]
fn ports_and_rules_have_their_counts() {
    needs_kernel!();
    let (host, mut net) = (Host::new(1), Net::new(0x701));
    // No subnets, no service: what it says to all is counted, too, whenever it comes.
    net.spec.subnets.clear();
    let sends = group(all_out());
    let takes = group(vec![rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(9))]);
    let (mut a, mut b) = (net.port(10), net.port(20));
    (a.security_group_ids, b.security_group_ids) = (Some(vec![sends.id]), Some(vec![takes.id]));
    assert_eq!(counted(&host), (vec![], vec![]), "nothing is known yet");
    host.change(vec![net.set(), set_group(&sends), set_group(&takes), set_port(&a), set_port(&b)]);
    counted(&host);
    let (mut one, mut two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let (spoofed, refused, marker) = (
        ethernet(two.mac, two.mac, 0x0800, &udp4((one.ip, 7000), (two.ip, 9), b"spoofed...")),
        datagram(&one, &two, 8, b"refused..."),
        datagram(&one, &two, 9, b"the-marker"),
    );
    let before = counted(&host);
    (0..3).for_each(|_| one.send(&spoofed));
    (0..2).for_each(|_| one.send(&refused));
    one.send(&marker);
    two.expect("the marker", |seen| contains(seen, b"the-marker").then_some(()));
    // No rule lets it send anything.
    two.send(&datagram(&two, &one, 9, b"unallowed."));
    let after = counted(&host);

    let was = |port: &PortSpec| before.0.iter().find(|counts| counts.id == port.id).cloned();
    let (of_a, was_a) = (of(&after, &a), was(&a));
    let sent = 3 * spoofed.len() + 2 * refused.len() + marker.len();
    let (packets, bytes) = was_a.map(|was| (was.tx_packets, was.tx_bytes)).unwrap_or_default();
    assert_eq!((of_a.tx_packets - packets, of_a.tx_bytes - bytes), (6, sent as u64), "{of_a:?}");
    assert_eq!((of_a.tx_dropped_security, of_a.tx_dropped_groups), (3, 0), "{of_a:?}");
    let of_b = of(&after, &b);
    assert_eq!((of_b.rx_dropped_groups, of_b.tx_dropped_groups, of_b.tx_dropped_security), (2, 1, 0), "{of_b:?}");
    let (packets, bytes) = was(&b).map(|was| (was.rx_packets, was.rx_bytes)).unwrap_or_default();
    assert_eq!((of_b.rx_packets - packets, of_b.rx_bytes - bytes), (1, marker.len() as u64), "{of_b:?}");
    let ip = marker.len() as u64 - 14;
    assert_eq!(of_rule(&after, takes.rules[0].id), (1, ip), "what begins a connection to port 9");
    assert_eq!(of_rule(&after, sends.rules[0].id), (3, 3 * ip), "each packet: none was answered, two went nowhere");
    assert_eq!(counted(&host), after, "read again, and by another agent");
}

/// Chains that are written anew, tables, and taps take nothing back.
#[test]
fn counts_survive_what_makes_counters_anew() {
    needs_kernel!();
    let (host, net) = (Host::new(1), Net::new(0x702));
    let mut takes = group(vec![rule(Direction::Ingress, Ethertype::Ipv4, Some(Protocol::UDP), Some(9))]);
    takes.is_stateful = false;
    let sends = group(all_out());
    let (mut a, mut b) = (net.port(10), net.port(20));
    (a.security_group_ids, b.security_group_ids) = (Some(vec![sends.id]), Some(vec![takes.id]));
    host.change(vec![net.set(), set_group(&sends), set_group(&takes), set_port(&a), set_port(&b)]);
    counted(&host);
    let (mut one, mut two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let mut pass = |texts: &[&[u8; 10]]| {
        for text in texts {
            one.send(&datagram(&one, &two, 8, text));
            one.send(&datagram(&one, &two, 9, text));
            two.expect("it", |seen| contains(seen, *text).then_some(()));
        }
    };
    let rule_id = takes.rules[0].id;
    pass(&[b"first-----", b"second----"]);
    let seen = counted(&host);
    assert_eq!((of_rule(&seen, rule_id).0, of(&seen, &b).rx_dropped_groups), (2, 2));

    // A rule more writes both chains of the group anew, another group those of the port.
    takes.rules.extend(group(vec![rule(Direction::Ingress, Ethertype::Ipv6, None, None)]).rules);
    b.security_group_ids = Some(vec![takes.id, sends.id]);
    host.change(vec![set_group(&takes), set_port(&b)]);
    pass(&[b"third-----"]);
    let seen = counted(&host);
    assert_eq!((of_rule(&seen, rule_id).0, of(&seen, &b).rx_dropped_groups), (3, 3));

    // All tables at once.
    host.sh("nft flush ruleset");
    assert!(!host.full().outstanding, "{}", host.outstanding());
    pass(&[b"fourth----", b"fifth-----", b"sixth-----", b"seventh---"]);
    let seen = counted(&host);
    assert_eq!((of_rule(&seen, rule_id).0, of(&seen, &b).rx_dropped_groups), (7, 7));
    let was = of(&seen, &b);

    // A file that is lost is nothing to begin with, not all of it once more.
    let epoch = was.epoch;
    host.sh("rm /run/iroko/net-agent/statistics.json");
    counted(&host);
    pass(&[b"eighth----"]);
    let seen = counted(&host);
    assert_ne!(of(&seen, &b).epoch, epoch);
    assert_eq!((of_rule(&seen, rule_id).0, of(&seen, &b).rx_dropped_groups), (1, 1));

    host.change(vec![Change::Gone(ObjectKey::Port(b.id))]);
    let seen = counted(&host);
    assert!(seen.0.iter().all(|port| port.id != b.id), "{seen:?}");
}

#[test]
fn what_is_over_a_limit_is_counted_each_way() {
    needs_kernel!();
    let (host, mut net) = (Host::new(1), Net::new(0x703));
    // No subnets, no service: what it advertises to all would be over the limit too, whenever it comes.
    net.spec.subnets.clear();
    let (mut a, mut b) = (net.port(10), net.port(20));
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    counted(&host);
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    let nothing = Some(0);
    a.limits = PortLimits { egress_packets_s: nothing, egress_kbit_s: nothing, ..PortLimits::default() };
    host.change(vec![set_port(&a)]);
    (0..3).for_each(|_| one.send(&datagram(&one, &two, 9, b"over-a----")));
    assert_eq!(of(&counted(&host), &a).tx_dropped_limits, 3);
    a.limits = PortLimits::default();
    b.limits = PortLimits { ingress_packets_s: nothing, ..PortLimits::default() };
    host.change(vec![set_port(&a), set_port(&b)]);
    (0..2).for_each(|_| one.send(&datagram(&one, &two, 9, b"over-b----")));
    let seen = counted(&host);
    assert_eq!((of(&seen, &a).tx_dropped_limits, of(&seen, &b).rx_dropped_limits), (3, 2));
}

#[test]
fn what_a_queue_has_no_room_for_is_counted_each_way() {
    needs_kernel!();
    let (host, mut net) = (Host::new(1), Net::new(0x704));
    net.spec.subnets.clear();
    let (mut a, mut b) = (net.port(10), net.port(20));
    host.change(vec![net.set(), set_port(&a), set_port(&b)]);
    counted(&host);
    let (mut one, two) = (Guest::boot(&host, &a), Guest::boot(&host, &b));
    // A kilobyte a second: of 200 KiB at once the queue takes 40.
    a.limits = PortLimits { egress_kbit_s: Some(8), ..PortLimits::default() };
    host.change(vec![set_port(&a)]);
    limits::send(&mut one, &two, 200, 1000);
    let from = limits::queue(&host, &limits::shaper(&a)).drops;
    assert!(from > 0);
    let seen = counted(&host);
    assert_eq!((of(&seen, &a).tx_dropped_limits, of(&seen, &a).rx_dropped_limits), (from, 0));
    a.limits = PortLimits::default();
    b.limits = PortLimits { ingress_kbit_s: Some(8), ..PortLimits::default() };
    host.change(vec![set_port(&a), set_port(&b)]);
    limits::send(&mut one, &two, 200, 1000);
    let to = limits::queue(&host, &b.tap).drops;
    assert!(to > 0);
    let seen = counted(&host);
    assert_eq!((of(&seen, &a).tx_dropped_limits, of(&seen, &b).rx_dropped_limits), (from, to));
}
