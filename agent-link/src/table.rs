//! Tables of what an agent holds: one a kind, all alike to what takes answers.
//!
//! A new kind says in [`Held`] how it is found in [`Object`] and [`ObjectKey`], and stands as a field in `Desired`
//! and in its list of tables.

use iroko_agent_wire::{
    AddressSetSpec, InstanceSpec, Kind, MemberSpec, Need, NetworkSpec, Object, ObjectKey, PeerSpec, PortSpec,
    SecurityGroupSpec,
};
use iroko_model::{AddressSetId, InstanceId, NetworkId, PortId, SecurityGroupId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// What taking an answer does to a table. Objects of other kinds are none of its business.
pub(crate) trait Table {
    /// Takes an object in, in place of the one of the same name.
    fn set(&mut self, object: &Object);
    /// Takes an object out.
    fn remove(&mut self, key: ObjectKey);
    /// All objects.
    fn objects(&self) -> Box<dyn Iterator<Item = Object> + '_>;
    /// Takes out the objects of needs that are not to be kept, and notes their names. Roots stay.
    fn retain(&mut self, is_kept: &dyn Fn(Need) -> bool, dropped: &mut Vec<ObjectKey>);
}

/// A kind of which an agent holds a table.
pub(crate) trait Held: Kind + Sized {
    /// Finds an object in its table.
    type Id: Copy + Eq + Hash;
    /// The object, where it is of this kind.
    fn of(object: &Object) -> Option<&Arc<Self>>;
    /// Where the named object is, if it is of this kind.
    fn id_of(key: ObjectKey) -> Option<Self::Id>;
    /// The object as one of all kinds.
    fn object(spec: Arc<Self>) -> Object;
}

/// A kind of which objects are found by what they are grouped by.
pub(crate) trait Grouped: Held<Id = (Self::Group, PortId)> {
    /// What they are grouped by.
    type Group: Copy + Eq + Hash;
    /// The need that all of a group are part of, where it is one.
    fn need_of(group: Self::Group) -> Option<Need>;
}

impl<T: Held> Table for HashMap<T::Id, Arc<T>> {
    fn set(&mut self, object: &Object) {
        let spec = T::of(object).cloned();
        self.extend(spec.and_then(|spec| Some((T::id_of(spec.key())?, spec))));
    }

    fn remove(&mut self, key: ObjectKey) {
        if let Some(id) = T::id_of(key) {
            HashMap::remove(self, &id);
        }
    }

    fn objects(&self) -> Box<dyn Iterator<Item = Object> + '_> {
        Box::new(self.values().cloned().map(T::object))
    }

    fn retain(&mut self, is_kept: &dyn Fn(Need) -> bool, dropped: &mut Vec<ObjectKey>) {
        HashMap::retain(self, |_, spec| stays(spec.as_ref(), is_kept, dropped));
    }
}

impl<T: Grouped> Table for HashMap<T::Group, HashMap<PortId, Arc<T>>> {
    fn set(&mut self, object: &Object) {
        let Some(spec) = T::of(object) else { return };
        if let Some((group, id)) = T::id_of(spec.key()) {
            self.entry(group).or_default().insert(id, spec.clone());
        }
    }

    fn remove(&mut self, key: ObjectKey) {
        let Some((group, id)) = T::id_of(key) else { return };
        if let Some(specs) = self.get_mut(&group) {
            specs.remove(&id);
            if specs.is_empty() {
                HashMap::remove(self, &group);
            }
        }
    }

    fn objects(&self) -> Box<dyn Iterator<Item = Object> + '_> {
        Box::new(self.values().flat_map(|specs| specs.values().cloned().map(T::object)))
    }

    fn retain(&mut self, is_kept: &dyn Fn(Need) -> bool, dropped: &mut Vec<ObjectKey>) {
        HashMap::retain(self, |group, specs| {
            // Most often by the thousand, and all for one reason.
            if !T::need_of(*group).is_some_and(is_kept) {
                specs.retain(|_, spec| stays(spec.as_ref(), is_kept, dropped));
            }
            !specs.is_empty()
        });
    }
}

fn stays(object: &impl Kind, is_kept: &dyn Fn(Need) -> bool, dropped: &mut Vec<ObjectKey>) -> bool {
    let stays = object.part_of().is_none_or(is_kept);
    if !stays {
        dropped.push(object.key());
    }
    stays
}

/// How a kind is found among all kinds: variant for variant.
macro_rules! held {
    ($spec:ty, $variant:ident, $id:ty, $key:pat => $found:expr) => {
        impl Held for $spec {
            type Id = $id;
            fn of(object: &Object) -> Option<&Arc<Self>> {
                if let Object::$variant(spec) = object { Some(spec) } else { None }
            }
            fn id_of(key: ObjectKey) -> Option<Self::Id> {
                if let $key = key { Some($found) } else { None }
            }
            fn object(spec: Arc<Self>) -> Object {
                Object::$variant(spec)
            }
        }
    };
}

held!(InstanceSpec, Instance, InstanceId, ObjectKey::Instance(id) => id);
held!(NetworkSpec, Network, NetworkId, ObjectKey::Network(id) => id);
held!(PortSpec, Port, PortId, ObjectKey::Port(id) => id);
held!(PeerSpec, Peer, (NetworkId, PortId), ObjectKey::Peer(network, id) => (network, id));
held!(SecurityGroupSpec, SecurityGroup, SecurityGroupId, ObjectKey::SecurityGroup(id) => id);
held!(MemberSpec, Member, (SecurityGroupId, PortId), ObjectKey::Member(group, id) => (group, id));
held!(AddressSetSpec, AddressSet, AddressSetId, ObjectKey::AddressSet(id) => id);

impl Grouped for PeerSpec {
    type Group = NetworkId;
    fn need_of(group: Self::Group) -> Option<Need> {
        Some(Need::Network(group))
    }
}

impl Grouped for MemberSpec {
    type Group = SecurityGroupId;
    fn need_of(_: Self::Group) -> Option<Need> {
        None
    }
}
