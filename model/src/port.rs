//! Ports: what the net-agent saw of one.

use serde::{Deserialize, Serialize};

/// What a net-agent last saw of a port on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// Filter rules, forwarding and tap are in place; a guest may use it.
    Ready,
    /// The last attempt failed; the reason goes with it and the agent keeps trying.
    Failed,
}

impl PortState {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// The one visible status of a port, from where it is bound and what was seen of it.
pub fn status(bound: bool, observed: Option<PortState>) -> &'static str {
    match (bound, observed) {
        (false, _) => "pending",
        (true, None) => "building",
        (true, Some(PortState::Ready)) => "active",
        (true, Some(PortState::Failed)) => "error",
    }
}
