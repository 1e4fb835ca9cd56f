//! What of the security groups an agent holds its ports still need.
//!
//! The control plane tells what a host *begins* to need, and goes on with changes of it; it does not say
//! what a host ceases to need. That follows from what the agent holds, and is found here after each answer:
//!
//! ```text
//!   port ──in──> group ──rule──> members of a group
//!                      └──rule──> address set
//! ```
//!
//! So nothing outdated can be kept and come to life again: what is needed anew is told anew, as a whole.

use super::desired::Desired;
use crate::wire::ObjectKey;
use iroko_model::security_group::Remote;
use std::collections::HashSet;

impl Desired {
    /// Drops what no port needs, and returns the keys of it.
    pub(super) fn drop_unneeded(&mut self) -> Vec<ObjectKey> {
        let ports = self.ports.values();
        let groups: HashSet<_> = ports.flat_map(|port| port.security_group_ids.iter().flatten().copied()).collect();
        let mut dropped = Vec::new();
        self.security_groups
            .retain(|id, _| groups.contains(id) || forget(&mut dropped, [ObjectKey::SecurityGroup(*id)]));
        let (mut members, mut sets) = (HashSet::new(), HashSet::new());
        for spec in self.security_groups.values().flat_map(|group| &group.rules) {
            match spec.rule.as_ref().remote {
                Remote::Group(id) => drop(members.insert(id)),
                Remote::AddressSet(id) => drop(sets.insert(id)),
                Remote::Any | Remote::Cidr(_) => {}
            }
        }
        self.members.retain(|id, ports| {
            members.contains(id) || forget(&mut dropped, ports.keys().map(|port| ObjectKey::Member(*id, *port)))
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
    use crate::wire::{
        AddressSetSpec, Change, DesiredReply, MemberSpec, Object, PortSpec, RuleSpec, SecurityGroupSpec,
    };
    use iroko_model::port::PortLimits;
    use iroko_model::security_group::{Direction, Ethertype, Rule, RuleParts};
    use iroko_model::{
        AddressSetId, Hostname, InstanceId, MacAddress, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId,
    };
    use std::sync::Arc;

    fn port(id: PortId, groups: &[SecurityGroupId]) -> Change {
        Change::Set(Object::Port(Arc::new(PortSpec {
            id,
            network_id: NetworkId::new(),
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

    fn member(group_id: SecurityGroupId) -> Change {
        let (port_id, network_id) = (PortId::new(), NetworkId::new());
        let mac = MacAddress::local([0; 5]);
        Change::Set(Object::Member(Arc::new(MemberSpec { group_id, port_id, network_id, mac, addresses: vec![] })))
    }

    fn delta(changes: Vec<Change>) -> DesiredReply {
        DesiredReply { revision: "1".into(), full: false, changes, consoles_wanted: vec![] }
    }

    #[test]
    fn what_no_port_needs_any_more_goes_with_the_reason_for_it() {
        let (web, peers, set) = (SecurityGroupId::new(), SecurityGroupId::new(), AddressSetId::new());
        let ids = [PortId::new(), PortId::new()];
        let range = Change::Set(Object::AddressSet(Arc::new(AddressSetSpec { id: set, generation: 1, cidrs: vec![] })));
        let mut desired = Desired::default();
        let refers = group(web, &[Remote::Group(peers), Remote::AddressSet(set)]);
        // The port may come last: what counts is the whole answer.
        desired.apply(&delta(vec![member(peers), member(peers), range.clone(), refers.clone(), port(ids[0], &[web])]));
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
        let again = vec![refers, member(peers), range, port(ids[1], &[web])];
        desired.apply(&delta(again));
        desired.apply(&delta(vec![Change::Gone(ObjectKey::Port(ids[0]))]));
        assert_eq!((desired.security_groups.len(), desired.members.len(), desired.address_sets.len()), (1, 1, 1));
        // The last one leaves the group.
        let dirty = desired.apply(&delta(vec![port(ids[1], &[])]));
        assert!(desired.security_groups.is_empty() && desired.members.is_empty() && desired.address_sets.is_empty());
        assert!(dirty.keys.contains(&ObjectKey::SecurityGroup(web)), "{dirty:?}");
        // What nobody needs is not even taken.
        desired.apply(&delta(vec![member(peers)]));
        assert!(desired.members.is_empty());
    }
}
