//! Measures the agent on the real kernel with many ports, in a throw-away namespace, and prints a
//! table. `cargo bench -p iroko-net-agent --bench scale -- [PORTS]`, as root; `--profile dev` where
//! the release profile is not at hand.

#![allow(clippy::unwrap_used, dead_code, reason = "a program that measures may end where it cannot")]

#[path = "../tests/kernel/lab.rs"]
mod lab;

use iroko_agent_link::Desired;
use iroko_agent_wire::{Change, DesiredReply, MemberSpec, Object, PortSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::security_group::{Direction, Ethertype, PortRange, Protocol, Remote, Rule, RuleParts};
use iroko_model::{MacAddress, PortId, SecurityGroupId, SecurityGroupRuleId};
use iroko_net_agent::Linux;
use iroko_net_agent::connection_log::Records;
use iroko_net_agent::statistics::Statistics;
use lab::{Host, Net, peer, set_port};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PORTS: u16 = 1000;
const PORTS_OF_A_NETWORK: u16 = 50;
const PEERS_OF_A_NETWORK: u16 = 10;
/// Rules of another group of the first port.
const IDLE_RULES: u16 = 500;

/// One line of the table.
struct Line {
    what: &'static str,
    took: Duration,
    actions: usize,
}

fn main() {
    if let Some(why) = lab::missing() {
        println!("skipped: {why}");
        return;
    }
    let ports = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(PORTS);
    let world = World::new(ports);
    let lines = world.measure();
    println!("{ports} ports on {} networks, in a group of {ports} that it refers to itself\n", world.nets.len());
    println!("| what | things touched | time |\n| --- | ---: | ---: |");
    for Line { what, took, actions } in lines {
        println!("| {what} | {actions} | {:.0} ms |", took.as_secs_f64() * 1000.0);
    }
}

struct World {
    host: Host,
    other: Host,
    nets: Vec<Net>,
    ports: Vec<PortSpec>,
    group: SecurityGroupSpec,
    idle: SecurityGroupSpec,
}

impl World {
    fn new(count: u16) -> Self {
        let id = SecurityGroupId::new();
        let rules = [
            rule(Direction::Egress, None, Remote::Any),
            rule(Direction::Ingress, None, Remote::Group(id)),
            rule(Direction::Ingress, Some(22), Remote::Any),
        ];
        let group = SecurityGroupSpec { id, generation: 1, is_stateful: true, rules: rules.to_vec() };
        let nets: Vec<Net> = (0..count.div_ceil(PORTS_OF_A_NETWORK)).map(|n| Net::new(0x9000 + u32::from(n))).collect();
        let rules = (1..=IDLE_RULES).map(|port| rule(Direction::Egress, Some(port), Remote::Any)).collect();
        let idle = SecurityGroupSpec { id: SecurityGroupId::new(), generation: 1, is_stateful: true, rules };
        let mut ports: Vec<PortSpec> =
            (0..count).map(|n| port(&nets[usize::from(n / PORTS_OF_A_NETWORK)], n, Some(id))).collect();
        ports[0].security_group_ids = Some(vec![id, idle.id]);
        Self { host: Host::new(1), other: Host::new(2), nets, ports, group, idle }
    }

    fn all(&self) -> Vec<Change> {
        let groups = [&self.group, &self.idle].into_iter().cloned();
        let mut changes: Vec<Change> =
            groups.map(|group| Change::Set(Object::SecurityGroup(Arc::new(group)))).collect();
        for net in &self.nets {
            changes.push(net.set());
            changes.extend((0..PEERS_OF_A_NETWORK).map(|n| peer(&port(net, 20_000 + n, None), &self.other)));
        }
        changes.extend(self.ports.iter().map(set_port));
        changes.extend(self.ports.iter().map(|port| self.member(port)));
        changes
    }

    fn member(&self, port: &PortSpec) -> Change {
        Change::Set(Object::Member(Arc::new(MemberSpec {
            group_id: self.group.id,
            port_id: port.id,
            network_id: port.network_id,
            mac: port.mac,
            addresses: port.addresses.clone(),
        })))
    }

    fn measure(&self) -> Vec<Line> {
        let (host, first) = (&self.host, &self.ports[0]);
        let mut lines = vec![self.change("everything made from nothing", self.all())];
        lines.push(self.reading());
        lines.push(self.counting());
        lines.push(line("restart: a new agent looks at everything", || {
            host.restart();
            host.full()
        }));
        assert_eq!(lines[3].actions, 0, "a restart changes nothing: {}", host.outstanding());
        let newcomer = port(&self.nets[0], 30_000, None);
        lines.push(self.change("an instance elsewhere joins the group", vec![self.member(&newcomer)]));
        let mut group = self.group.clone();
        group.rules.push(rule(Direction::Ingress, Some(443), Remote::Any));
        lines.push(self.change(
            "a rule is added to the group of all ports",
            vec![Change::Set(Object::SecurityGroup(Arc::new(group)))],
        ));
        let one_more = port(&self.nets[0], 31_000, Some(self.group.id));
        lines.push(self.change("a port is plugged", vec![set_port(&one_more)]));
        for (what, harm) in [
            ("repair after `nft flush ruleset`", "nft flush ruleset".to_owned()),
            ("repair of one chain changed by hand", format!("nft flush chain inet ik in_{}", first.tap)),
            ("repair of a deleted bridge with its ports", format!("ip link del {}", self.nets[0].vni().bridge())),
            ("repair of a deleted forwarding entry", format!("bridge fdb del {} dev {} master", first.mac, first.tap)),
        ] {
            host.sh(&harm);
            lines.push(line(what, || host.full()));
        }
        let quiet = host.full();
        assert_eq!((quiet.actions, quiet.outstanding), (0, false), "{}", host.outstanding());
        lines
    }

    fn change(&self, what: &'static str, changes: Vec<Change>) -> Line {
        let line = line(what, || self.host.change(changes));
        eprintln!("{what}: {:?}", line.took);
        line
    }

    /// Reading, adding up and keeping all counters of the host: taps, ports' chains, rules.
    fn counting(&self) -> Line {
        let (host, desired) = (&self.host, self.host.desired.clone());
        let took = host.on(move |runtime, agent| {
            runtime.block_on(async {
                let kernel = Arc::new(Linux::open(&agent.config).unwrap());
                let mut statistics = Statistics::open(&agent.config, kernel, Records::default());
                statistics.count(&desired).await.unwrap();
                let start = Instant::now();
                statistics.count(&desired).await.unwrap();
                start.elapsed()
            })
        });
        Line { what: "statistics: all counters are read and kept", took, actions: 0 }
    }

    /// What a new agent reads from its disk before it looks at the kernel.
    fn reading(&self) -> Line {
        let text = serde_json::to_string(&self.host.desired.read().to_reply()).unwrap();
        let start = Instant::now();
        let reply: DesiredReply = serde_json::from_str(&text).unwrap();
        Desired::default().apply(&reply);
        Line { what: "restart: what is desired, as read from a file", took: start.elapsed(), actions: 0 }
    }
}

fn line(what: &'static str, work: impl FnOnce() -> iroko_net_agent::reconcile::PassReport) -> Line {
    let start = Instant::now();
    let seen = work();
    assert!(!seen.outstanding, "{what} left something undone");
    Line { what, took: start.elapsed(), actions: seen.actions }
}

fn rule(direction: Direction, port: Option<u16>, remote: Remote) -> RuleSpec {
    let ports = port.map(|port| PortRange { from: port, to: port });
    let protocol = port.map(|_| Protocol::TCP);
    let parts = RuleParts { direction, ethertype: Ethertype::Ipv4, protocol, ports, icmp: None, remote };
    RuleSpec { id: SecurityGroupRuleId::new(), rule: Rule::try_from(parts).unwrap() }
}

/// The n-th instance, `10.0.HIGH.LOW`.
fn port(net: &Net, n: u16, group: Option<SecurityGroupId>) -> PortSpec {
    let mut port = net.port(0);
    let [high, low] = n.to_be_bytes();
    port.id = PortId::new();
    port.tap = iroko_model::address::tap_name(port.id);
    port.mac = MacAddress::local([0, 0, 1, high, low]);
    port.addresses = vec![IpAddr::V4(Ipv4Addr::new(10, 0, high, low))];
    port.security_group_ids = group.map(|group| vec![group]);
    port
}
