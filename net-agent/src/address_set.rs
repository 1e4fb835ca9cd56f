//! What an address set is on a host: a named set. Pure.

use crate::entries::Entries;
use crate::firewall::group;
use crate::object::{Key, Value};
use iroko_agent_link::Desired;
use iroko_agent_wire::{AddressSetSpec, ObjectKey, RuleSpec};
use iroko_model::AddressSetId;
use iroko_model::security_group::Remote;

/// An address set.
pub fn entries(set: &AddressSetSpec) -> Entries {
    vec![(Key::AddressSet(set.id), Value::Ranges(group::ranges(set)))]
}

/// The groups with a rule that refers to an address set.
pub fn referring_to(set: AddressSetId, desired: &Desired) -> Vec<ObjectKey> {
    let refers = |spec: &RuleSpec| spec.rule.as_ref().remote == Remote::AddressSet(set);
    let groups = desired.security_groups.values().filter(|group| group.rules.iter().any(refers));
    groups.map(|group| ObjectKey::SecurityGroup(group.id)).collect()
}
