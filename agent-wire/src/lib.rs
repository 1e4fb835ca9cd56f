//! What control plane and agents say to each other, and nothing else: types with their JSON.
//!
//! A crate of its own, so that the control plane's store does not wait for the agents' HTTP and TLS, and an
//! agent not for the control plane's. No I/O, no async.
//!
//! Types only ever grow: a process ignores fields it does not know, so that control plane and agents may
//! differ by one release. Objects and keys of a kind it does not know it notes ([`Object::Unknown`]).

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
