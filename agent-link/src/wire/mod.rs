//! The types on the wire. Additive changes only.

mod connection_log;
mod desired;
mod enrol;
mod report;
mod security_group;
mod spec;
mod statistics;

pub use connection_log::{ConnectionLogSpec, ConnectionRecord, ConnectionReply, ConnectionReport, Headers};
pub use desired::{Change, DesiredQuery, DesiredReply, Object, ObjectKey};
pub use enrol::{EnrolReply, EnrolRequest, RenewRequest, SessionReply, SessionRequest};
pub use report::{
    Condition, ConsoleLog, DiskRoom, InstanceObservation, OrphanObservation, PortObservation, REASON_MAX_CHARS, Report,
    ReportReply,
};
pub use security_group::{AddressSetSpec, MemberSpec, RuleSpec, SecurityGroupSpec};
pub use spec::{ImageSpec, InstanceSpec, NetworkSpec, NicAddress, NicSpec, PeerSpec, PortSpec, SubnetSpec};
pub use statistics::{PortCounts, RuleCounts, StatisticsReply, StatisticsReport};

use serde::{Deserialize, Serialize};

/// The two agents of a host. Each has its own desired set, incarnation and report sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// `iroko-compute-agent`: instances.
    Compute,
    /// `iroko-net-agent`: networks, ports, peers and what security groups need.
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
