//! Security groups: their rules.

use crate::key::ObjectKey;
use crate::kind::{Kind, Reference};
use crate::need::Need;
use iroko_model::security_group::{Remote, Rule};
use iroko_model::{NetworkId, SecurityGroupId, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};

/// A security group, for hosts with a port in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupSpec {
    /// The group.
    pub id: SecurityGroupId,
    /// Grows with every change.
    pub generation: u64,
    /// True: what answers to something allowed is allowed. False: each packet needs a rule.
    pub is_stateful: bool,
    /// Its rules; the order does not matter.
    pub rules: Vec<RuleSpec>,
}

/// A rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// The rule.
    pub id: SecurityGroupRuleId,
    /// What it says.
    pub rule: Rule,
}

impl Kind for SecurityGroupSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::SecurityGroup(self.id)
    }

    fn part_of(&self) -> Option<Need> {
        Some(Need::SecurityGroup(self.id))
    }

    fn needs(&self, on: Option<NetworkId>) -> Vec<Reference> {
        let need = |spec: &RuleSpec| match spec.rule.as_ref().remote {
            Remote::Group(group) => on.map(|network| Need::Members(group, network)),
            Remote::AddressSet(set) => Some(Need::AddressSet(set)),
            Remote::Any | Remote::Cidr(_) => None,
        };
        self.rules.iter().filter_map(need).map(|need| (need, on)).collect()
    }
}
