//! What the kernel's counters say at one moment.

use iroko_model::security_group::Direction;
use iroko_model::{MacAddress, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};

/// What is counted. Directions are those of the instance behind the tap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Meter {
    /// What was given to the instance.
    Received(String),
    /// What the instance sent, whatever became of it.
    Sent(String),
    /// What port security refused of it.
    Refused(String),
    /// What no rule of the port's groups allowed.
    Unallowed(String, Direction),
    /// What was over a limit.
    OverLimit(String, Direction),
    /// What would have begun a flow for which there was no room, by [`crowded`].
    Crowded(String, Direction),
    /// What should have been logged and was not.
    Unlogged(String),
    /// What a rule accepted, for all ports.
    Rule(SecurityGroupRuleId),
}

impl Meter {
    /// The tap that it is about, or what stands for it ([`crowded`]); none of a rule.
    pub fn tap(&self) -> Option<&str> {
        match self {
            Self::Received(tap)
            | Self::Sent(tap)
            | Self::Refused(tap)
            | Self::Unallowed(tap, _)
            | Self::OverLimit(tap, _)
            | Self::Crowded(tap, _)
            | Self::Unlogged(tap) => Some(tap),
            Self::Rule(_) => None,
        }
    }
}

/// What stands for the tap of a port where the kernel knows its bridge and its MAC address.
pub fn crowded(bridge: &str, mac: MacAddress) -> String {
    format!("{bridge} {mac}")
}

/// One counter of the kernel. A meter can have several: a limit in packets and one in octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// What it counts.
    pub meter: Meter,
    /// Tells it from another one that counts the same, before it or beside it. A counter may begin
    /// anew without getting another; then it is lower than it was.
    pub identity: u64,
    /// Frames or packets.
    pub packets: u64,
    /// Their octets, as the kernel counts them there.
    pub bytes: u64,
}
