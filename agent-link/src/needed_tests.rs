use super::*;
use iroko_agent_wire::{
    AddressSetSpec, Change, DesiredReply, MemberSpec, Object, PortSpec, RuleSpec, SecurityGroupSpec,
};
use iroko_model::port::PortLimits;
use iroko_model::security_group::{Direction, Ethertype, Remote, Rule, RuleParts};
use iroko_model::{
    AddressSetId, Hostname, InstanceId, MacAddress, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId,
};
use std::sync::Arc;

fn port(id: PortId, network_id: NetworkId, groups: &[SecurityGroupId]) -> Change {
    Change::Set(Object::Port(Arc::new(PortSpec {
        id,
        network_id,
        instance_id: InstanceId::new(),
        generation: 1,
        tap: "ikt0".into(),
        mac: MacAddress::local([0; 5]),
        addresses: vec![],
        hostname: Hostname::try_from("a".to_owned()).unwrap(),
        security_group_ids: Some(groups.to_vec()),
        is_secured: true,
        allowed_address_pairs: vec![],
        limits: PortLimits::default(),
        connection_log: None,
    })))
}

fn group(id: SecurityGroupId, remotes: &[Remote]) -> Change {
    let rule = |remote: &Remote| {
        let (direction, ethertype, remote) = (Direction::Ingress, Ethertype::Ipv4, *remote);
        let parts = RuleParts { direction, ethertype, protocol: None, ports: None, icmp: None, remote };
        RuleSpec { id: SecurityGroupRuleId::new(), rule: Rule::try_from(parts).unwrap() }
    };
    let rules = remotes.iter().map(rule).collect();
    Change::Set(Object::SecurityGroup(Arc::new(SecurityGroupSpec { id, generation: 1, is_stateful: true, rules })))
}

fn member(group_id: SecurityGroupId, network_id: NetworkId) -> Change {
    let port_id = PortId::new();
    let mac = MacAddress::local([0; 5]);
    Change::Set(Object::Member(Arc::new(MemberSpec { group_id, port_id, network_id, mac, addresses: vec![] })))
}

fn delta(changes: Vec<Change>) -> DesiredReply {
    DesiredReply { revision: "1".into(), full: false, changes, ..DesiredReply::default() }
}

#[test]
fn what_no_port_needs_any_more_goes_with_the_reason_for_it() {
    let (web, peers, set) = (SecurityGroupId::new(), SecurityGroupId::new(), AddressSetId::new());
    let (ids, network) = ([PortId::new(), PortId::new()], NetworkId::new());
    let range = Change::Set(Object::AddressSet(Arc::new(AddressSetSpec { id: set, generation: 1, cidrs: vec![] })));
    let mut desired = Desired::default();
    let refers = group(web, &[Remote::Group(peers), Remote::AddressSet(set)]);
    // The port may come last: what counts is the whole answer.
    desired.apply(&delta(vec![
        member(peers, network),
        member(peers, network),
        range.clone(),
        refers.clone(),
        port(ids[0], network, &[web]),
    ]));
    assert_eq!((desired.security_groups.len(), desired.members[&peers].len(), desired.address_sets.len()), (1, 2, 1));
    let mut copy = Desired::default();
    copy.apply(&desired.to_reply());
    assert_eq!((copy.security_groups.len(), copy.members[&peers].len(), copy.address_sets.len()), (1, 2, 1));
    // The rules go: so do members and set, and a reader hears of it.
    let dirty = desired.apply(&delta(vec![group(web, &[])]));
    assert!(desired.members.is_empty() && desired.address_sets.is_empty());
    assert_eq!(dirty.keys.len(), 4, "{dirty:?}");
    // One port of two leaves: nothing changes for the other.
    let again = vec![refers, member(peers, network), range, port(ids[1], network, &[web])];
    desired.apply(&delta(again));
    desired.apply(&delta(vec![Change::Gone(ObjectKey::Port(ids[0]))]));
    assert_eq!((desired.security_groups.len(), desired.members.len(), desired.address_sets.len()), (1, 1, 1));
    // The last one leaves the group.
    let dirty = desired.apply(&delta(vec![port(ids[1], network, &[])]));
    assert!(desired.security_groups.is_empty() && desired.members.is_empty() && desired.address_sets.is_empty());
    assert!(dirty.keys.contains(&ObjectKey::SecurityGroup(web)), "{dirty:?}");
    // What nobody needs is not even taken.
    desired.apply(&delta(vec![member(peers, network)]));
    assert!(desired.members.is_empty());
}

#[test]
fn members_are_held_on_the_networks_of_ports_that_refer_to_them() {
    let (web, peers, ids) = (SecurityGroupId::new(), SecurityGroupId::new(), [PortId::new(), PortId::new()]);
    let (here, there, nowhere) = (NetworkId::new(), NetworkId::new(), NetworkId::new());
    let mut desired = Desired::default();
    let ports = [port(ids[0], here, &[web]), port(ids[1], there, &[web])];
    let told = [here, here, there, nowhere].map(|network| member(peers, network));
    desired.apply(&delta([vec![group(web, &[Remote::Group(peers)])], ports.into(), told.into()].concat()));
    assert_eq!(desired.members[&peers].len(), 3);
    let dirty = desired.apply(&delta(vec![Change::Gone(ObjectKey::Port(ids[1]))]));
    assert_eq!((desired.members[&peers].len(), dirty.keys.len()), (2, 2), "the port and one member: {dirty:?}");
    // All of a network anew: former members are forgotten, and a reader hears of each.
    let anew = member(peers, here);
    let dirty = desired.apply(&delta(vec![Change::Anew(Need::Members(peers, here)), anew.clone()]));
    assert_eq!((desired.members[&peers].len(), dirty.keys.len()), (1, 3), "{dirty:?}");
    assert!(
        dirty.keys.contains(&anew.key().unwrap()) && dirty.keys.iter().all(|key| matches!(key, ObjectKey::Member(..)))
    );
    desired.apply(&delta(vec![Change::Anew(Need::Members(peers, there))]));
    assert_eq!(desired.members[&peers].len(), 1);
}
