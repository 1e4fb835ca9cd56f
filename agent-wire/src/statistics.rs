//! Statistics: what a net-agent counted.

use iroko_model::{PortId, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};

/// Body of `POST /agent/v1/statistics`: of what has changed since it was told last.
///
/// It is apart from the report, so that nothing waits for it. Counts are of the whole epoch, so that
/// one that is lost or comes twice does no harm. `(incarnation, sequence)` orders these as it does
/// reports; they count for themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsReport {
    /// The session's number.
    pub incarnation: i64,
    /// Grows with every report of statistics of the session.
    pub sequence: i64,
    /// Ports on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortCounts>,
    /// Rules of the groups that these are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleCounts>,
}

impl StatisticsReport {
    /// Most ports in one report, and most rules; the rest follows in the next.
    pub const MAX: usize = 1000;
}

/// What was counted of a port. Received and sent are meant as its instance sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCounts {
    /// The port.
    pub id: PortId,
    /// Names a row of counts that only grow. With another one they begin at zero.
    pub epoch: i64,
    /// Frames that the instance was given.
    #[serde(default)]
    pub rx_packets: u64,
    /// Their octets.
    #[serde(default)]
    pub rx_bytes: u64,
    /// Frames that the instance sent, whatever became of them.
    #[serde(default)]
    pub tx_packets: u64,
    /// Their octets.
    #[serde(default)]
    pub tx_bytes: u64,
    /// Packets to the instance that no rule of its groups allowed.
    #[serde(default)]
    pub rx_dropped_groups: u64,
    /// Frames to the instance over a limit.
    #[serde(default)]
    pub rx_dropped_limits: u64,
    /// Frames from the instance that port security refused.
    #[serde(default)]
    pub tx_dropped_security: u64,
    /// Packets from the instance that no rule of its groups allowed.
    #[serde(default)]
    pub tx_dropped_groups: u64,
    /// Frames from the instance over a limit.
    #[serde(default)]
    pub tx_dropped_limits: u64,
    /// Packets that its connection log should have recorded and did not.
    #[serde(default)]
    pub records_lost: u64,
    /// Packets to the instance that would have begun a flow, for which the port has no room.
    #[serde(default)]
    pub rx_dropped_flows: u64,
    /// Packets from the instance that would have begun a flow, for which the port has no room.
    #[serde(default)]
    pub tx_dropped_flows: u64,
}

/// What a rule let through on the host, for all ports together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCounts {
    /// The rule.
    pub id: SecurityGroupRuleId,
    /// As of [`PortCounts`].
    pub epoch: i64,
    /// Packets that the rule itself accepted: of a stateful group those before the first answer.
    #[serde(default)]
    pub packets: u64,
    /// Their octets.
    #[serde(default)]
    pub bytes: u64,
}

/// Answer of `POST /agent/v1/statistics`: it was of the current session, and newer than the last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatisticsReply {}
