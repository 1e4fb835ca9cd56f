//! Reports: what an agent saw.

use super::AgentKind;
use iroko_model::instance::ObservedState;
use iroko_model::port::PortState;
use iroko_model::{InstanceId, PortId};
use serde::{Deserialize, Serialize};

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
    /// Machines, by the compute-agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceObservation>,
    /// Ports, by the net-agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortObservation>,
    /// Console logs that were asked for or have grown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<ConsoleLog>,
    /// Room on the host's disk, by the compute-agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskRoom>,
}

/// What the compute-agent saw of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceObservation {
    /// The instance.
    pub id: InstanceId,
    /// Generation of the spec the agent was acting on.
    pub generation: u64,
    /// What it saw.
    pub state: ObservedState,
    /// How many of the asked reboots are done.
    pub reboots: u64,
    /// Why, where the state needs a reason; for the tenant to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the state alone does not say. A control plane of an older release passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// What is particular about a machine.
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
    pub reason: Option<String>,
}

/// The tail of a machine's serial console.
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
