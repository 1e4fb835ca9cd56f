//! What groups, their members and address sets are on a host. Pure.

use crate::desired::{Things, with_link_local};
use crate::firewall::group;
use crate::object::{Chain, Element, Key, Value};
use iroko_agent_link::Desired;
use iroko_agent_wire::{AddressSetSpec, MemberSpec, ObjectKey, RuleSpec};
use iroko_model::security_group::{Direction, Remote};
use iroko_model::{AddressSetId, SecurityGroupId, Vni};

/// A group's two chains, and the sets that its rules name. One that a port names and that was not
/// told allows nothing.
pub fn group_things(id: SecurityGroupId, desired: &Desired) -> Option<Things> {
    let chain = |direction, rules| (Key::Chain(Chain::Group(id, direction)), Value::Text(rules));
    let directions = [Direction::Ingress, Direction::Egress];
    let Some(group) = desired.security_groups.get(&id) else {
        let is_named = desired.ports.values().any(|port| port.security_group_ids.iter().flatten().any(|of| *of == id));
        return is_named.then(|| directions.map(|direction| chain(direction, String::new())).to_vec());
    };
    let mut things = directions.map(|direction| chain(direction, group::group_chain(group, direction))).to_vec();
    let mut remotes: Vec<Remote> = group.rules.iter().map(|spec| spec.rule.as_ref().remote).collect();
    remotes.sort_unstable();
    remotes.dedup();
    things.extend(remotes.into_iter().filter_map(|remote| match remote {
        Remote::Group(group) => Some((Key::MemberSets(group), Value::Present)),
        // One that was not told yet is empty.
        Remote::AddressSet(set) => {
            let ranges = desired.address_sets.get(&set).map(|set| group::ranges(set)).unwrap_or_default();
            Some((Key::AddressSet(set), Value::Ranges(ranges)))
        }
        Remote::Any | Remote::Cidr(_) => None,
    }));
    Some(things)
}

/// The groups with a rule that refers to an address set.
pub fn referring_to(set: AddressSetId, desired: &Desired) -> Vec<ObjectKey> {
    let refers = |spec: &RuleSpec| spec.rule.as_ref().remote == Remote::AddressSet(set);
    let groups = desired.security_groups.values().filter(|group| group.rules.iter().any(refers));
    groups.map(|group| ObjectKey::SecurityGroup(group.id)).collect()
}

/// A member's addresses in its group's sets, where its network is here.
pub fn member_things(member: &MemberSpec, vni: Option<Vni>) -> Things {
    let Some(vni) = vni else { return Things::new() };
    let ips = with_link_local(&member.addresses, member.mac);
    let elements = ips.map(|ip| Element::GroupMember(member.group_id, vni, ip));
    let elements = elements.map(|element| (Key::Element(element), Value::Present));
    elements.chain([(Key::MemberSets(member.group_id), Value::Present)]).collect()
}

/// An address set.
pub fn set_things(set: &AddressSetSpec) -> Things {
    vec![(Key::AddressSet(set.id), Value::Ranges(group::ranges(set)))]
}
