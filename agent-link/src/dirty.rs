//! What changed since somebody last looked.

use iroko_agent_wire::ObjectKey;
use std::collections::HashSet;

/// Which objects changed since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Everything may have changed: look at all.
    pub all: bool,
    /// These changed; empty where `all` is set.
    pub keys: HashSet<ObjectKey>,
}

impl Dirty {
    /// True where there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        !self.all && self.keys.is_empty()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.all {
            self.all = true;
            self.keys.clear();
        } else if !self.all {
            self.keys.extend(&other.keys);
        }
    }
}
