//! The agent's copy of what is desired of its host: a table a kind.
//!
//! *Roots* (instances, ports) are kept until they are said to be gone. All else is kept while a root leads to it
//! (`needed`). A new kind is one field here and one line in each list of tables.

use crate::dirty::Dirty;
use crate::table::Table;
use iroko_agent_wire::{
    AddressSetSpec, Change, DesiredReply, InstanceSpec, MemberSpec, NetworkSpec, Object, ObjectKey, PeerSpec, PortSpec,
    SecurityGroupSpec,
};
use iroko_model::{AddressSetId, InstanceId, NetworkId, PortId, SecurityGroupId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Instances that are remembered to be gone. One that is forgotten before it is removed is told as an orphan, and its
/// removal is ordered again.
const GONE_MAX: usize = 10_000;

/// Everything desired of this host, of one agent's kinds.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// Revision of the last reply taken; empty at first.
    pub revision: String,
    /// True once anything is known: from the control plane or from the last run's file. Until
    /// then an agent must leave everything on the host as it is.
    pub known: bool,
    /// True while all that is known is from a file that an agent of another release wrote. It may have passed over
    /// kinds and fields that this one knows: everything must be asked for again.
    pub is_of_other_release: bool,
    /// Instances.
    pub instances: HashMap<InstanceId, Arc<InstanceSpec>>,
    /// Networks that a port here is on.
    pub networks: HashMap<NetworkId, Arc<NetworkSpec>>,
    /// Ports on this host.
    pub ports: HashMap<PortId, Arc<PortSpec>>,
    /// Ports of these networks on any host, by network.
    pub peers: HashMap<NetworkId, HashMap<PortId, Arc<PeerSpec>>>,
    /// Groups of ports on this host. A port may name a group that has not arrived yet: one that allows
    /// nothing.
    pub security_groups: HashMap<SecurityGroupId, Arc<SecurityGroupSpec>>,
    /// Members of groups that rules refer to, by group, on networks where a port here has such a rule.
    pub members: HashMap<SecurityGroupId, HashMap<PortId, Arc<MemberSpec>>>,
    /// Address sets that rules refer to.
    pub address_sets: HashMap<AddressSetId, Arc<AddressSetSpec>>,
    /// Instances that were desired before a full answer that did not name them. They are kept as they are.
    pub orphans: HashMap<InstanceId, Arc<InstanceSpec>>,
    /// Ports, among `ports`, of which the same is true. What they need is kept too.
    pub orphan_ports: HashSet<PortId>,
    /// Instances that were said to be gone: only of these may an agent remove what it finds.
    pub gone: HashSet<InstanceId>,
}

impl Desired {
    fn tables(&self) -> [&dyn Table; 7] {
        let Self { instances, networks, ports, peers, security_groups, members, address_sets, .. } = self;
        [instances, networks, ports, peers, security_groups, members, address_sets]
    }

    pub(crate) fn tables_mut(&mut self) -> [&mut dyn Table; 7] {
        let Self { instances, networks, ports, peers, security_groups, members, address_sets, .. } = self;
        [instances, networks, ports, peers, security_groups, members, address_sets]
    }

    /// Takes a reply, drops what nothing needs any more, and says what changed. Unchanged objects of a full reply are not dirty
    /// one by one; a full reply is `all`.
    pub fn apply(&mut self, reply: &DesiredReply) -> Dirty {
        let before = reply.full.then(|| std::mem::take(self));
        let mut changed = Vec::new();
        for change in reply.changes.iter().filter(|change| change.is_known()) {
            self.take(change, &mut changed);
        }
        if let Some(before) = before {
            self.keep_unnamed(before, &reply.kept);
            self.is_of_other_release = !reply.written_by.is_empty() && reply.written_by != release();
        }
        self.drop_unneeded(&mut changed);
        self.revision.clone_from(&reply.revision);
        self.known = true;
        let keys = if reply.full { HashSet::new() } else { changed.into_iter().collect() };
        Dirty { all: reply.full, keys }
    }

    fn take(&mut self, change: &Change, changed: &mut Vec<ObjectKey>) {
        match change {
            Change::Set(object) => {
                self.note_wanted(object.key());
                self.tables_mut().into_iter().for_each(|table| table.set(object));
            }
            Change::Gone(key) => {
                self.note_gone(*key);
                self.tables_mut().into_iter().for_each(|table| table.remove(*key));
            }
            Change::Anew(need) => {
                self.tables_mut().into_iter().for_each(|table| table.retain(&|part| part != *need, changed));
            }
        }
        changed.extend(change.key());
    }

    fn note_wanted(&mut self, key: ObjectKey) {
        match key {
            ObjectKey::Instance(id) => {
                self.gone.remove(&id);
                self.orphans.remove(&id);
            }
            ObjectKey::Port(id) => drop(self.orphan_ports.remove(&id)),
            _ => {}
        }
    }

    fn note_gone(&mut self, key: ObjectKey) {
        self.note_wanted(key);
        if let ObjectKey::Instance(id) = key {
            if self.gone.len() >= GONE_MAX {
                self.gone.clear();
            }
            self.gone.insert(id);
        }
    }

    /// Keeps roots that were held before a full answer and that it does not name: an answer that leaves something out
    /// is no order to destroy it. What only these need is kept as it was.
    fn keep_unnamed(&mut self, before: Self, kept: &[Object]) {
        let answered = self.needs();
        for object in kept {
            match object {
                Object::Instance(spec) => drop(self.orphans.insert(spec.id, spec.clone())),
                Object::Port(spec) => drop(self.orphan_ports.insert(spec.id)),
                _ => {}
            }
        }
        for object in before.tables().into_iter().flat_map(Table::objects) {
            if object.part_of().is_some_and(|need| !answered.contains(&need)) {
                self.tables_mut().into_iter().for_each(|table| table.set(&object));
            }
        }
        let instances = before.instances.into_iter().chain(before.orphans);
        self.orphans.extend(instances.filter(|(id, _)| !self.gone.contains(id)));
        self.orphans.retain(|id, _| !self.instances.contains_key(id));
        for (id, port) in before.ports {
            if !self.ports.contains_key(&id) {
                self.orphan_ports.insert(id);
                self.ports.insert(id, port);
            }
        }
        self.orphan_ports.retain(|id| self.ports.contains_key(id));
    }

    /// False where a port is wanted on a network that has not arrived: something was lost. What is right
    /// for such a port cannot be known; everything must be asked for again.
    pub fn is_whole(&self) -> bool {
        self.ports.values().all(|port| self.networks.contains_key(&port.network_id))
    }

    /// The same set as one full reply, for a file. What was said to be gone is not in it: what of that is still there
    /// after a restart is told as an orphan, and its removal is ordered again.
    pub fn to_reply(&self) -> DesiredReply {
        let objects = self.tables().into_iter().flat_map(Table::objects);
        let orphans = self.orphans.values().cloned().map(Object::Instance);
        let orphan_ports = self.orphan_ports.iter().filter_map(|id| self.ports.get(id)).cloned().map(Object::Port);
        DesiredReply {
            revision: self.revision.clone(),
            full: true,
            changes: objects.map(Change::Set).collect(),
            consoles_wanted: Vec::new(),
            kept: orphans.chain(orphan_ports).collect(),
            written_by: if self.is_of_other_release { OTHER.to_owned() } else { release() },
        }
    }
}

/// Stands for another release in the file of an agent that has not asked for everything again yet.
const OTHER: &str = "another release";

/// This release, and the kinds that it knows.
fn release() -> String {
    format!("{} {}", env!("CARGO_PKG_VERSION"), Object::KINDS.join(","))
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;
