//! Address sets.

use crate::key::ObjectKey;
use crate::kind::Kind;
use crate::need::Need;
use ipnetwork::IpNetwork;
use iroko_model::AddressSetId;
use serde::{Deserialize, Serialize};

/// An address set, for hosts with a port in a group with a rule that refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSetSpec {
    /// The set.
    pub id: AddressSetId,
    /// Grows with every change.
    pub generation: u64,
    /// Its ranges, of both families; they may overlap.
    pub cidrs: Vec<IpNetwork>,
}

impl Kind for AddressSetSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::AddressSet(self.id)
    }

    fn part_of(&self) -> Option<Need> {
        Some(Need::AddressSet(self.id))
    }
}
