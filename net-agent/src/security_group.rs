//! What a security group is on a host: its chains and the sets that its rules name. Pure.

use crate::entries::Entries;
use crate::firewall::group;
use crate::object::{Chain, Key, Value};
use iroko_agent_link::Desired;
use iroko_model::SecurityGroupId;
use iroko_model::security_group::{Direction, Remote};

/// A group's two chains, and the sets that its rules name. One that a port names and that was not
/// told allows nothing.
pub fn entries(id: SecurityGroupId, desired: &Desired) -> Option<Entries> {
    let chain = |direction, rules| (Key::Chain(Chain::Group(id, direction)), Value::Text(rules));
    let directions = [Direction::Ingress, Direction::Egress];
    let Some(group) = desired.security_groups.get(&id) else {
        let is_named = desired.ports.values().any(|port| port.security_group_ids.iter().flatten().any(|of| *of == id));
        return is_named.then(|| directions.map(|direction| chain(direction, String::new())).to_vec());
    };
    let mut entries = directions.map(|direction| chain(direction, group::group_chain(group, direction))).to_vec();
    let mut remotes: Vec<Remote> = group.rules.iter().map(|spec| spec.rule.as_ref().remote).collect();
    remotes.sort_unstable();
    remotes.dedup();
    entries.extend(remotes.into_iter().filter_map(|remote| match remote {
        Remote::Group(group) => Some((Key::MemberSets(group), Value::Present)),
        // One that was not told yet is empty.
        Remote::AddressSet(set) => {
            let ranges = desired.address_sets.get(&set).map(|set| group::ranges(set)).unwrap_or_default();
            Some((Key::AddressSet(set), Value::Ranges(ranges)))
        }
        Remote::Any | Remote::Cidr(_) => None,
    }));
    Some(entries)
}
