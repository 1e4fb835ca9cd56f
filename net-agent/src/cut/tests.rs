use super::*;
use iroko_agent_wire::{AddressSetSpec, Change, DesiredReply, MemberSpec, Object, RuleSpec, SecurityGroupSpec};
use iroko_model::port::{AddressPair, PortLimits};
use iroko_model::security_group::{Ethertype, Payload, PortRange, Protocol, Remote, RuleParts};
use iroko_model::{Hostname, InstanceId, MacAddress, PortId, SecurityGroupRuleId, Vni};
use std::sync::Arc;

const ZONE: u16 = 7;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(id: NetworkId, vni: u32) -> NetworkSpec {
    let vni = Vni::try_from(vni).unwrap();
    NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![] }
}

fn port(network_id: NetworkId, group: SecurityGroupId) -> PortSpec {
    PortSpec {
        id: PortId::new(),
        network_id,
        instance_id: InstanceId::new(),
        generation: 1,
        tap: "ikt1".into(),
        mac: MacAddress::local([0; 5]),
        addresses: vec![ip("10.0.0.10")],
        hostname: Hostname::try_from("a".to_owned()).unwrap(),
        security_group_ids: Some(vec![group]),
        is_secured: true,
        allowed_address_pairs: vec![AddressPair { mac: None, cidr: "10.0.9.0/24".parse().unwrap() }],
        limits: PortLimits::default(),
        connection_log: None,
    }
}

/// TCP to port 80 from whom the remote names; whatever it likes to 10.0.0.0/8.
fn group(remote: Remote) -> SecurityGroupSpec {
    let ethertype = Ethertype::Ipv4;
    let ports = Some(PortRange { from: 80, to: 80 });
    let into = RuleParts {
        direction: Direction::Ingress,
        ethertype,
        protocol: Some(Protocol::TCP),
        ports,
        icmp: None,
        remote,
    };
    let out = RuleParts {
        direction: Direction::Egress,
        protocol: None,
        ports: None,
        remote: Remote::Cidr("10.0.0.0/8".parse().unwrap()),
        ..into.clone()
    };
    let rule = |parts| RuleSpec { id: SecurityGroupRuleId::new(), rule: Rule::try_from(parts).unwrap() };
    SecurityGroupSpec {
        id: SecurityGroupId::new(),
        generation: 1,
        is_stateful: true,
        rules: vec![rule(into), rule(out)],
    }
}

fn judge(spec: &SecurityGroupSpec, more: Vec<Object>, change: impl FnOnce(&mut PortSpec)) -> Judge {
    let network = network(NetworkId::new(), u32::from(ZONE));
    let mut port = port(network.id, spec.id);
    change(&mut port);
    let more = more.into_iter().map(|mut object| {
        if let Object::Member(member) = &mut object {
            Arc::make_mut(member).network_id = network.id;
        }
        object
    });
    let all = [Object::Port(Arc::new(port)), Object::SecurityGroup(Arc::new(spec.clone()))].into_iter().chain(more);
    let changes = [Object::Network(Arc::new(network.clone()))].into_iter().chain(all).map(Change::Set).collect();
    let mut desired = Desired::default();
    desired.apply(&DesiredReply { revision: "1".into(), full: true, changes, ..DesiredReply::default() });
    Judge::new(&desired)
}

fn tcp(from: &str, to: &str, port: u16) -> Flow {
    Flow::new(ZONE, (ip(from), ip(to)), Protocol::TCP, Payload::Port(port))
}

#[test]
fn each_end_on_this_host_is_asked() {
    let judge = judge(&group(Remote::Any), vec![], |_| ());
    for (flow, cut) in [
        (tcp("192.0.2.1", "10.0.0.10", 80), false),
        (tcp("192.0.2.1", "10.0.0.10", 81), true),
        (tcp("192.0.2.1", "10.0.9.7", 81), true),
        (tcp("10.0.0.10", "10.0.0.20", 81), false),
        (tcp("10.0.0.10", "192.0.2.1", 80), true),
        (tcp("10.0.0.20", "10.0.0.30", 81), false),
        (tcp("10.0.0.10", "10.0.0.10", 80), false),
    ] {
        assert_eq!(judge.is_cut(&flow), cut, "{flow:?}");
    }
    let foreign = Flow { zone: 8, is_cut: true, ..tcp("192.0.2.1", "10.0.0.10", 81) };
    assert_eq!(judge.judge(vec![foreign]), Verdicts::default(), "a zone that is not ours is left alone");
    let again = Flow { is_cut: true, ..tcp("192.0.2.1", "10.0.0.10", 80) };
    let still = Flow { is_cut: true, ..tcp("192.0.2.1", "10.0.0.10", 81) };
    let now = judge.judge(vec![again.clone(), still, tcp("192.0.2.1", "10.0.0.10", 80)]);
    assert_eq!(now, Verdicts { changes: vec![(again, false)], cut: 1 }, "what is allowed again goes on");
}

#[test]
fn members_sets_and_exceptions() {
    let (group_id, set_id) = (SecurityGroupId::new(), iroko_model::AddressSetId::new());
    let member = MemberSpec {
        group_id,
        port_id: PortId::new(),
        network_id: NetworkId::new(),
        mac: MacAddress::local([1; 5]),
        addresses: vec![ip("10.0.0.20")],
    };
    let set = AddressSetSpec { id: set_id, generation: 1, cidrs: vec!["10.0.7.0/24".parse().unwrap()] };
    let of_member = judge(&group(Remote::Group(group_id)), vec![Object::Member(Arc::new(member))], |_| ());
    assert!(!of_member.is_cut(&tcp("10.0.0.20", "10.0.0.10", 80)));
    assert!(of_member.is_cut(&tcp("10.0.0.21", "10.0.0.10", 80)));
    let of_set = judge(&group(Remote::AddressSet(set_id)), vec![Object::AddressSet(Arc::new(set))], |_| ());
    assert!(!of_set.is_cut(&tcp("10.0.7.9", "10.0.0.10", 80)));
    assert!(of_set.is_cut(&tcp("10.0.8.9", "10.0.0.10", 80)));

    let refused = tcp("192.0.2.1", "10.0.0.10", 81);
    let open = judge(&group(Remote::Any), vec![], |port| port.is_secured = false);
    let older = judge(&group(Remote::Any), vec![], |port| port.security_group_ids = None);
    let stateless = judge(&SecurityGroupSpec { is_stateful: false, ..group(Remote::Any) }, vec![], |_| ());
    for judge in [open, older, stateless] {
        assert!(!judge.is_cut(&refused), "nothing of this port is for us to cut");
    }
    let none = judge(&group(Remote::Any), vec![], |port| port.security_group_ids = Some(vec![]));
    assert!(none.is_cut(&tcp("192.0.2.1", "10.0.0.10", 80)), "without groups nothing is allowed");
}
