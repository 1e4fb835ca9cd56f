use super::*;
use crate::Fake;
use crate::conntrack::Flow;
use crate::entries::zone;
use crate::object::{Element, Sharing, Value};
use iroko_agent_wire::{
    Change, DesiredReply, MemberSpec, NetworkSpec, Object, PeerSpec, RuleSpec, SecurityGroupSpec, SubnetSpec,
};
use iroko_model::address::tap_name;
use iroko_model::port::PortLimits;
use iroko_model::security_group::{Direction, Ethertype, Payload, Protocol, Remote, Rule, RuleParts};
use iroko_model::{Hostname, InstanceId, MacAddress, NetworkId, SecurityGroupId, SecurityGroupRuleId, SubnetId, Vni};
use std::net::IpAddr;

struct World {
    fake: Fake,
    desired: DesiredHandle,
    reporter: Reporter,
    ready: ReadyPorts,
    network: NetworkId,
    host: HostId,
}

impl World {
    fn new() -> Self {
        let (fake, desired, reporter, ready) =
            (Fake::new(), DesiredHandle::new(), Reporter::new(), ReadyPorts::in_memory());
        Self { fake, desired, reporter, ready, network: NetworkId::new(), host: HostId::new() }
    }

    fn config() -> Config {
        Config { vtep: Some("192.0.2.1".parse().unwrap()), ..Config::default() }
    }

    fn reconciler(&self) -> Reconciler {
        let facts = Self::config().facts(self.host).unwrap();
        let kernel = Arc::new(self.fake.clone());
        Reconciler::new(facts, self.desired.clone(), self.reporter.clone(), self.ready.clone(), kernel)
    }

    fn apply(&self, changes: Vec<Change>) -> Dirty {
        self.desired.apply(&DesiredReply { revision: "r".into(), full: false, changes, ..DesiredReply::default() })
    }

    fn network(&self) -> Change {
        let subnet = SubnetSpec {
            id: SubnetId::new(),
            cidr: "10.0.0.0/16".parse().unwrap(),
            gateway: None,
            service: "10.0.0.2".parse().unwrap(),
            dns_servers: vec![],
        };
        Change::Set(Object::Network(Arc::new(NetworkSpec {
            id: self.network,
            generation: 1,
            vni: vni(),
            mtu: 1450,
            domain: "lab.internal".into(),
            subnets: vec![subnet],
        })))
    }

    fn port(&self, n: u16) -> PortSpec {
        let id = PortId::new();
        let [a, b] = n.to_be_bytes();
        PortSpec {
            id,
            network_id: self.network,
            instance_id: InstanceId::new(),
            generation: 1,
            tap: tap_name(id),
            mac: MacAddress::local([0, 0, 0, a, b]),
            addresses: vec![IpAddr::from([10, 0, a, b])],
            hostname: Hostname::try_from(format!("vm{n}")).unwrap(),
            security_group_ids: None,
            is_secured: true,
            allowed_address_pairs: vec![],
            limits: PortLimits::default(),
            connection_log: None,
        }
    }

    fn state_of(&self, port: &PortSpec) -> Option<PortState> {
        self.reporter.last_port(port.id).map(|seen| seen.state)
    }
}

fn vni() -> Vni {
    Vni::try_from(0xff).unwrap()
}

fn set(port: &PortSpec) -> Change {
    Change::Set(Object::Port(Arc::new(port.clone())))
}

fn peer(port: &PortSpec) -> Change {
    Change::Set(Object::Peer(Arc::new(PeerSpec {
        port_id: port.id,
        network_id: port.network_id,
        host_id: HostId::new(),
        vtep: "192.0.2.2".parse().unwrap(),
        mac: port.mac,
        addresses: port.addresses.clone(),
        hostname: port.hostname.clone(),
        allowed_address_pairs: port.allowed_address_pairs.clone(),
    })))
}

fn everything() -> Dirty {
    Dirty { all: true, keys: HashSet::new() }
}

/// Every step fails once in turn; whatever stood then, the next full pass makes it right.
#[tokio::test]
async fn every_step_may_fail_and_the_next_pass_heals() {
    let mut steps = 0;
    for n in 1.. {
        let world = World::new();
        let (port, remote) = (world.port(10), world.port(20));
        let mut reconciler = world.reconciler();
        world.fake.fail_nth(n);
        let dirty = world.apply(vec![world.network(), set(&port), peer(&remote)]);
        reconciler.pass(&dirty).await;
        steps = n;
        if world.fake.is_armed() {
            break;
        }
        assert_eq!(world.ready.is_ready(port.id), world.state_of(&port) == Some(PortState::Ready));
        let healed = reconciler.pass(&everything()).await;
        assert!(!healed.outstanding, "step {n}: {:?}", reconciler.outstanding());
        assert_eq!(world.state_of(&port), Some(PortState::Ready), "step {n}");
        assert_eq!(reconciler.pass(&everything()).await.actions, 0, "step {n}");
    }
    assert!(steps > 10, "{steps} steps were tried");
}

#[tokio::test]
async fn no_tap_without_its_filter_and_the_port_says_why() {
    let world = World::new();
    let (bad, good) = (world.port(10), world.port(11));
    let mut reconciler = world.reconciler();
    let rule = Key::Element(Element::TapMac(bad.tap.clone(), bad.mac));
    world.fake.fail_always(Some(rule));
    let dirty = world.apply(vec![world.network(), set(&bad), set(&good)]);
    assert!(reconciler.pass(&dirty).await.outstanding);
    assert!(!world.fake.state().contains_key(&Key::Tap(bad.tap.clone())));
    let seen = world.reporter.last_port(bad.id).unwrap();
    assert_eq!(seen.state, PortState::Failed);
    assert!(seen.reason.unwrap().text.contains("always fails"));
    assert_eq!(world.state_of(&good), Some(PortState::Ready), "one impossible port does not hold up others");

    world.fake.fail_always(None);
    assert!(!reconciler.pass(&everything()).await.outstanding);
    assert_eq!(world.state_of(&bad), Some(PortState::Ready));
}

#[tokio::test]
async fn a_port_moves_away_and_back() {
    let world = World::new();
    let (port, stays) = (world.port(10), world.port(11));
    let mut reconciler = world.reconciler();
    reconciler.pass(&world.apply(vec![world.network(), set(&port), set(&stays)])).await;
    let forward = Key::Forward(vni(), port.mac);
    assert_eq!(world.fake.state()[&forward], Value::Device(port.tap.clone()));

    let gone = Change::Gone(ObjectKey::Port(port.id));
    reconciler.pass(&world.apply(vec![gone, peer(&port)])).await;
    assert_eq!(world.fake.state()[&forward], Value::Device(vni().vxlan()));
    assert!(!world.fake.state().contains_key(&Key::Tap(port.tap.clone())) && !world.ready.is_ready(port.id));

    // The port comes back before the word that its other place is gone.
    reconciler.pass(&world.apply(vec![set(&port)])).await;
    assert_eq!(world.fake.state()[&forward], Value::Device(port.tap.clone()));
    reconciler.pass(&world.apply(vec![Change::Gone(ObjectKey::Peer(world.network, port.id))])).await;
    assert_eq!(reconciler.pass(&everything()).await.actions, 0, "partial passes came to the same as a full one");
    assert_eq!(world.state_of(&port), Some(PortState::Ready));
}

#[tokio::test]
async fn a_pass_costs_what_changed() {
    let world = World::new();
    let mut reconciler = world.reconciler();
    let ports: Vec<_> = (10..1010).map(|n| world.port(n)).collect();
    let mut changes = vec![world.network()];
    changes.extend(ports.iter().map(set));
    reconciler.pass(&world.apply(changes)).await;
    assert!(ports.iter().all(|port| world.ready.is_ready(port.id)));
    let more = world.port(5000);
    let one = reconciler.pass(&world.apply(vec![set(&more)])).await;
    assert_eq!((one.full, one.actions), (false, 16), "what the port itself needs");
    let other = reconciler.pass(&world.apply(vec![peer(&world.port(5001))])).await;
    assert!(other.actions < 12 && !other.full, "{other:?}");
    let quiet = reconciler.pass(&everything()).await;
    assert_eq!((quiet.full, quiet.actions), (true, 0));
}

/// Somebody who joins a group changes nothing for flows, unless one is cut that may go on now.
#[tokio::test]
async fn flows_are_looked_at_when_they_may_change() {
    let world = World::new();
    let mut reconciler = world.reconciler();
    let id = SecurityGroupId::new();
    let parts = RuleParts {
        direction: Direction::Ingress,
        ethertype: Ethertype::Ipv4,
        protocol: None,
        ports: None,
        icmp: None,
        remote: Remote::Group(id),
    };
    let rules = vec![RuleSpec { id: SecurityGroupRuleId::new(), rule: Rule::try_from(parts).unwrap() }];
    let group = SecurityGroupSpec { id, generation: 1, is_stateful: true, rules };
    let member = |port: &PortSpec| MemberSpec {
        group_id: id,
        port_id: port.id,
        network_id: world.network,
        mac: port.mac,
        addresses: port.addresses.clone(),
    };
    let joins = |port: &PortSpec| Change::Set(Object::Member(Arc::new(member(port))));
    let mut port = world.port(10);
    port.security_group_ids = Some(vec![id]);
    let (friend, other, third) = (world.port(20), world.port(30), world.port(40));
    let ends = (friend.addresses[0], port.addresses[0]);
    world.fake.set_flows(vec![Flow::new(zone(vni()), ends, Protocol::TCP, Payload::Port(80))]);
    let group = Change::Set(Object::SecurityGroup(Arc::new(group)));
    reconciler.pass(&world.apply(vec![world.network(), group, set(&port), joins(&friend)])).await;
    let mut seen = world.fake.flows_read();
    let mut looked = |what: &str, expected: u64, cut: bool| {
        let now = world.fake.flows_read();
        assert_eq!((now - seen, world.fake.is_cut()), (expected, vec![cut]), "{what}");
        seen = now;
    };
    looked("the first pass was full", 0, false);
    reconciler.pass(&world.apply(vec![joins(&other)])).await;
    looked("another joins", 0, false);
    reconciler.pass(&world.apply(vec![Change::Gone(ObjectKey::Member(id, friend.id))])).await;
    looked("the sender leaves", 1, true);
    reconciler.pass(&world.apply(vec![joins(&third)])).await;
    looked("another joins while a flow is cut", 1, true);
    reconciler.pass(&world.apply(vec![joins(&friend)])).await;
    looked("the sender is back", 1, false);
    reconciler.pass(&world.apply(vec![Change::Gone(ObjectKey::Member(id, third.id))])).await;
    looked("another leaves", 1, false);
    reconciler.pass(&world.apply(vec![joins(&third)])).await;
    looked("and joins when nothing is cut", 0, false);
}

#[tokio::test]
async fn a_changed_network_takes_its_ports_along() {
    let world = World::new();
    let port = world.port(10);
    let mut reconciler = world.reconciler();
    reconciler.pass(&world.apply(vec![world.network(), set(&port)])).await;
    let Change::Set(Object::Network(spec)) = world.network() else { unreachable!("it sets a network") };
    let wider = Change::Set(Object::Network(Arc::new(NetworkSpec { mtu: 8950, generation: 2, ..(*spec).clone() })));
    reconciler.pass(&world.apply(vec![wider])).await;
    let tap = Value::Tap { vni: vni(), mtu: 8950, owner: None, sharing: Sharing::Nothing };
    assert_eq!(world.fake.state()[&Key::Tap(port.tap.clone())], tap);
    reconciler.pass(&world.apply(vec![Change::Gone(ObjectKey::Port(port.id))])).await;
    assert_eq!(world.fake.state().into_keys().collect::<Vec<_>>(), [Key::Base], "all but the empty tables is gone");
    assert!(world.reporter.last_port(port.id).is_none());
}

/// The loop itself, on a clock that tests turn.
#[tokio::test(start_paused = true)]
async fn the_loop_makes_mends_and_retries() {
    let world = World::new();
    let shutdown = CancellationToken::new();
    let kernel = Arc::new(world.fake.clone());
    let (desired, reporter, ready) = (world.desired.clone(), world.reporter.clone(), world.ready.clone());
    let task = tokio::spawn(run(World::config(), world.host, desired, reporter, ready, kernel, shutdown.clone()));
    let port = world.port(10);
    world.fake.fail_nth(3);
    world.apply(vec![world.network(), set(&port)]);
    let bound = Duration::from_secs(120);
    tokio::time::timeout(bound, world.ready.wait(&[port.id])).await.unwrap();

    world.fake.tamper(|state| drop(state.remove(&Key::Tap(port.tap.clone()))));
    let mended = async {
        while !world.fake.state().contains_key(&Key::Tap(port.tap.clone())) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(bound, mended).await.unwrap();
    shutdown.cancel();
    task.await.unwrap().unwrap();
    assert!(world.fake.state().contains_key(&Key::Tap(port.tap.clone())), "what runs keeps running");
}

#[test]
fn a_reason_is_never_longer_than_what_is_told() {
    for (length, kept) in [
        (0, 0),
        (REASON_MAX_CHARS, REASON_MAX_CHARS),
        (REASON_MAX_CHARS + 1, REASON_MAX_CHARS),
        (1 << 20, REASON_MAX_CHARS),
    ] {
        let reason = "é".repeat(length);
        assert_eq!(shortened(&reason).chars().count(), kept, "{length}");
    }
}
