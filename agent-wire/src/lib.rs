//! What control plane and agents say to each other, and nothing else: types with their JSON.
//!
//! A crate of its own, so that the control plane's store does not wait for the agents' HTTP and TLS, and an
//! agent not for the control plane's. No I/O, no async.
//!
//! Types only ever grow: a process ignores fields it does not know, so that control plane and agents may
//! differ by one release. Objects and keys of a kind it does not know it notes ([`Object::Unknown`]).

mod address_set;
mod agent;
mod connection_log;
mod desired;
mod enrol;
mod instance;
mod key;
mod kind;
mod member;
mod need;
mod network;
mod object;
mod operation;
mod peer;
mod port;
mod report;
mod security_group;
mod statistics;

pub use address_set::AddressSetSpec;
pub use agent::AgentKind;
pub use connection_log::{ConnectionLogSpec, ConnectionRecord, ConnectionReply, ConnectionReport, Headers};
pub use desired::{Change, DesiredQuery, DesiredReply};
pub use enrol::{EnrolReply, EnrolRequest, RenewRequest, SessionReply, SessionRequest};
pub use instance::{ImageSpec, InstanceSpec, NicAddress, NicSpec};
pub use key::ObjectKey;
pub use kind::{Kind, Reference};
pub use member::MemberSpec;
pub use need::Need;
pub use network::{NetworkSpec, SubnetSpec};
pub use object::Object;
pub use operation::{OperationFault, OperationKind, OperationObservation, OperationPhase, OperationSpec, Outcome};
pub use peer::PeerSpec;
pub use port::PortSpec;
pub use report::{
    Condition, ConsoleLog, DefinitionPart, DiskRoom, InstanceObservation, OrphanObservation, PortObservation,
    REASON_MAX_CHARS, Report, ReportReply,
};
pub use security_group::{RuleSpec, SecurityGroupSpec};
pub use statistics::{PortCounts, RuleCounts, StatisticsReply, StatisticsReport};
