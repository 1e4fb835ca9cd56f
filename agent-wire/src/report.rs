//! Reports: what an agent saw.

use crate::agent::AgentKind;
use crate::instance::InstanceSpec;
use crate::operation::OperationObservation;
use iroko_model::instance::ObservedState;
use iroko_model::port::PortState;
use iroko_model::reason::Reason;
use iroko_model::{InstanceId, NetworkId, PortId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Body of `POST /agent/v1/report`. An empty one is a heartbeat.
///
/// `(incarnation, sequence)` orders all reports of one agent: the control plane gives the
/// incarnation at the start of a session, the agent counts the sequence. A report that is not newer
/// than what is stored for an object changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Which agent speaks.
    pub agent: AgentKind,
    /// The session's number.
    pub incarnation: i64,
    /// Grows by one with every report of the session.
    pub sequence: i64,
    /// Instances, by the compute-agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceObservation>,
    /// Ports, by the net-agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortObservation>,
    /// Console logs that were asked for or have grown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<ConsoleLog>,
    /// What is on the host and neither desired nor told to be gone, or was so until now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<OrphanObservation>,
    /// Room on the host's disk, by the compute-agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskRoom>,
}

impl Report {
    /// Most observations in one report; the rest follows in the next.
    pub const MAX: usize = 500;

    /// A report that says only that the agent is there.
    pub fn heartbeat(agent: AgentKind, incarnation: i64, sequence: i64) -> Self {
        let (instances, ports, consoles, orphans) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { agent, incarnation, sequence, instances, ports, consoles, orphans, disk: None }
    }
}

/// Longest reason that an observation gives, in characters.
pub const REASON_MAX_CHARS: usize = 500;

/// Something of ours on a host that a full answer did not name. The agent keeps it as it is: that it is not named is
/// no proof that nobody wants it (the database may be one of yesterday). The control plane answers with
/// [`crate::Change::Gone`] where it knows that it was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanObservation {
    /// The instance, or the one that the port is of.
    pub instance_id: InstanceId,
    /// By the net-agent: the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_id: Option<PortId>,
    /// By the net-agent: the port's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id: Option<NetworkId>,
    /// False: it is no longer an orphan; it is wanted again, or gone.
    pub is_there: bool,
    /// By the compute-agent: it runs.
    #[serde(default)]
    pub is_running: bool,
    /// By the compute-agent: what was last desired of it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Arc<InstanceSpec>>,
}

/// What the compute-agent saw of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceObservation {
    /// The instance.
    pub id: InstanceId,
    /// Generation of the spec the agent was acting on.
    pub generation: u64,
    /// What it saw.
    pub state: ObservedState,
    /// The operation that the agent took up last; none where there never was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationObservation>,
    /// Why, where the state needs a reason; for the tenant to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the state alone does not say. A control plane of an older release passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// What of the definition is not in force while it runs, and will be at its next start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_next_start: Vec<DefinitionPart>,
}

impl InstanceObservation {
    /// Number of the last operation that has ended.
    pub fn ended_operation(&self) -> u64 {
        self.operation.map_or(0, |operation| operation.ended())
    }
}

/// A part of an instance's definition, which converges apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionPart {
    /// Processors.
    Cpu,
    /// Memory.
    Memory,
    /// Disks.
    Disk,
    /// Interfaces.
    Interface,
    /// One of a newer release.
    #[serde(other)]
    Other,
}

/// What is particular about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// With the state `stopped`: its guest shut itself down, and it stays off.
    GuestShutdown,
    /// With the state `running`: its processors are held until the host's disk has room.
    HostDiskFull,
    /// One of a newer release.
    #[serde(other)]
    Other,
}

/// Room on the file system where a host keeps disks and images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRoom {
    /// Its size in MiB.
    pub total_mib: u64,
    /// What is free of it, in MiB.
    pub free_mib: u64,
    /// So little is free that nothing more is put there and guests may be held.
    pub is_full: bool,
}

impl InstanceObservation {
    /// An observation without a reason and without operations.
    pub const fn new(id: InstanceId, generation: u64, state: ObservedState) -> Self {
        Self { id, generation, state, operation: None, reason: None, condition: None, at_next_start: Vec::new() }
    }
}

/// What the net-agent saw of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortObservation {
    /// The port.
    pub id: PortId,
    /// Generation of the spec the agent was acting on.
    pub generation: u64,
    /// What it saw.
    pub state: PortState,
    /// Why, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The tail of an instance's serial console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleLog {
    /// The instance.
    pub id: InstanceId,
    /// The last [`ConsoleLog::MAX_BYTES`] of its output, invalid UTF-8 replaced.
    pub tail: String,
}

impl ConsoleLog {
    /// Longest tail kept.
    pub const MAX_BYTES: usize = 64 * 1024;
}

/// Answer of `POST /agent/v1/report`: the report was of the current session and was taken. A report
/// of an older session is answered with 409 Conflict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportReply {}
