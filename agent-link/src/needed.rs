//! What of the security groups an agent holds its ports still need.
//!
//! The control plane tells what a host *begins* to need, and goes on with changes of it; it does not say
//! what a host ceases to need. That follows from what the agent holds, and is found here after each answer:
//!
//! ```text
//!   port ──in──> group ──rule──> members of a group on the port's network
//!                      └──rule──> address set
//! ```
//!
//! So nothing outdated can be kept and come to life again: what is needed anew is told anew, as a whole.

use crate::desired::Desired;
use iroko_agent_wire::ObjectKey;
use iroko_model::security_group::Remote;
use iroko_model::{NetworkId, SecurityGroupId};
use std::collections::{HashMap, HashSet};

impl Desired {
    /// Drops what no port needs, and returns the keys of it.
    pub(super) fn drop_unneeded(&mut self) -> Vec<ObjectKey> {
        // The networks of the ports in each group.
        let mut groups: HashMap<SecurityGroupId, HashSet<NetworkId>> = HashMap::new();
        for port in self.ports.values() {
            for group in port.security_group_ids.iter().flatten() {
                groups.entry(*group).or_default().insert(port.network_id);
            }
        }
        let mut dropped = Vec::new();
        self.security_groups
            .retain(|id, _| groups.contains_key(id) || forget(&mut dropped, [ObjectKey::SecurityGroup(*id)]));
        let (mut members, mut sets) = (HashSet::new(), HashSet::new());
        for group in self.security_groups.values() {
            for spec in &group.rules {
                match spec.rule.as_ref().remote {
                    Remote::Group(id) => members.extend(groups[&group.id].iter().map(|network| (id, *network))),
                    Remote::AddressSet(id) => drop(sets.insert(id)),
                    Remote::Any | Remote::Cidr(_) => {}
                }
            }
        }
        self.members.retain(|group, ports| {
            ports.retain(|port, member| {
                members.contains(&(*group, member.network_id))
                    || forget(&mut dropped, [ObjectKey::Member(*group, *port)])
            });
            !ports.is_empty()
        });
        self.address_sets.retain(|id, _| sets.contains(id) || forget(&mut dropped, [ObjectKey::AddressSet(*id)]));
        dropped
    }
}

fn forget(dropped: &mut Vec<ObjectKey>, keys: impl IntoIterator<Item = ObjectKey>) -> bool {
    dropped.extend(keys);
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::{
        AddressSetSpec, Change, DesiredReply, MemberSpec, Object, PortSpec, RuleSpec, SecurityGroupSpec,
    };
    use iroko_model::port::PortLimits;
    use iroko_model::security_group::{Direction, Ethertype, Rule, RuleParts};
    use iroko_model::{AddressSetId, Hostname, InstanceId, MacAddress, PortId, SecurityGroupRuleId};
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
        assert_eq!(
            (desired.security_groups.len(), desired.members[&peers].len(), desired.address_sets.len()),
            (1, 2, 1)
        );
        let mut copy = Desired::default();
        copy.apply(&desired.to_reply());
        assert_eq!((copy.security_groups.len(), copy.members[&peers].len(), copy.address_sets.len()), (1, 2, 1));
        // The rules go: so do members and set, and whoever looks is told.
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
        // All of a network anew: who was there is forgotten, and whoever looks is told of each.
        let anew = member(peers, here);
        let dirty = desired.apply(&delta(vec![Change::Gone(ObjectKey::Members(peers, here)), anew.clone()]));
        assert_eq!((desired.members[&peers].len(), dirty.keys.len()), (1, 3), "{dirty:?}");
        assert!(dirty.keys.contains(&anew.key()) && dirty.keys.iter().all(|key| matches!(key, ObjectKey::Member(..))));
        desired.apply(&delta(vec![Change::Gone(ObjectKey::Members(peers, there))]));
        assert_eq!(desired.members[&peers].len(), 1);
    }
}
