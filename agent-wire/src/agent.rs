//! The agents of a host.

use serde::{Deserialize, Serialize};

/// The two agents of a host. Each has its own desired set, incarnation and report sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// `iroko-compute-agent`: instances.
    Compute,
    /// `iroko-net-agent`: ports, and what these need.
    Net,
}

impl AgentKind {
    /// The word on the wire and in the database.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Net => "net",
        }
    }
}
