//! What a member of a group is on a host: its addresses in the group's sets. Pure.

use crate::entries::{Entries, with_link_local};
use crate::object::{Element, Key, Value};
use iroko_agent_wire::MemberSpec;
use iroko_model::Vni;

/// A member's addresses in its group's sets, where its network is here.
pub fn entries(member: &MemberSpec, vni: Option<Vni>) -> Entries {
    let Some(vni) = vni else { return Entries::new() };
    let ips = with_link_local(&member.addresses, member.mac);
    let elements = ips.map(|ip| Element::GroupMember(member.group_id, vni, ip));
    let elements = elements.map(|element| (Key::Element(element), Value::Present));
    elements.chain([(Key::MemberSets(member.group_id), Value::Present)]).collect()
}
