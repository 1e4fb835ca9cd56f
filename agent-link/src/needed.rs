//! What the objects that an agent holds lead to: the graph of needs ([`Need`]), from the roots.
//!
//! The control plane sends what a host starts to need, and changes of it; it does not say what a host stops needing.
//! That follows from what the agent holds, and is found here after each answer. So nothing outdated can be kept and
//! come to life again: what is needed anew is sent anew, as a whole.

use crate::desired::Desired;
use iroko_agent_wire::{Kind, Need, ObjectKey, Reference};
use std::collections::HashSet;

impl Desired {
    /// Everything that the roots lead to.
    pub(crate) fn needs(&self) -> HashSet<Need> {
        let mut open: Vec<Reference> = self.roots().flat_map(|root| root.needs(None)).collect();
        let mut seen: HashSet<Reference> = HashSet::new();
        while let Some((need, on)) = open.pop() {
            if seen.insert((need, on)) {
                open.extend(self.head(need).into_iter().flat_map(|object| object.needs(on)));
            }
        }
        seen.into_iter().map(|(need, _)| need).collect()
    }

    fn roots(&self) -> impl Iterator<Item = &dyn Kind> {
        let instances = self.instances.values().chain(self.orphans.values()).map(|spec| spec.as_ref() as &dyn Kind);
        instances.chain(self.ports.values().map(|spec| spec.as_ref() as &dyn Kind))
    }

    /// The object of a need that may lead to others, where it has arrived.
    fn head(&self, need: Need) -> Option<&dyn Kind> {
        match need {
            Need::Network(id) => self.networks.get(&id).map(|spec| spec.as_ref() as &dyn Kind),
            Need::SecurityGroup(id) => self.security_groups.get(&id).map(|spec| spec.as_ref() as &dyn Kind),
            Need::AddressSet(id) => self.address_sets.get(&id).map(|spec| spec.as_ref() as &dyn Kind),
            Need::Members(..) | Need::Unknown => None,
        }
    }

    /// Drops what nothing needs, and notes its keys.
    pub(crate) fn drop_unneeded(&mut self, dropped: &mut Vec<ObjectKey>) {
        let needs = self.needs();
        self.tables_mut().into_iter().for_each(|table| table.retain(&|need| needs.contains(&need), dropped));
    }
}

#[cfg(test)]
#[path = "needed_tests.rs"]
mod tests;
