//! Enrolment and sessions.

use crate::agent::AgentKind;
use iroko_model::host::Architecture;
use iroko_model::{HostId, Resources};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Body of `POST /agent/v1/enrol`, the only call without a client certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The one-time token an operator made.
    pub token: String,
    /// Which agent of the host enrols. Both use the same token, each once.
    pub agent: AgentKind,
    /// Name of the host, unique in the cluster.
    pub host_name: String,
    /// Certificate signing request (PKCS #10), PEM.
    pub csr_pem: String,
}

/// Answer of `POST /agent/v1/enrol` and `POST /agent/v1/renew`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolReply {
    /// The host this agent belongs to.
    pub host_id: HostId,
    /// The agent's certificate, PEM.
    pub certificate_pem: String,
    /// The cluster's authority, PEM.
    pub authority_pem: String,
}

/// Body of `POST /agent/v1/renew`, by an agent whose certificate still holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewRequest {
    /// A signing request with a new key, PEM.
    pub csr_pem: String,
}

/// Body of `POST /agent/v1/session`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionRequest {
    /// Which agent starts.
    pub agent: AgentKind,
    /// Its version.
    pub version: String,
    /// Processor architecture. The compute-agent tells architecture and capacity, the net-agent VTEP
    /// and MTU; each leaves out what is not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// What instances may use of the host, after what it keeps for itself and with overcommitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Resources>,
    /// Underlay address of its VXLAN end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtep: Option<IpAddr>,
    /// Underlay MTU; guests get 50 less (IPv4 underlay) or 70 less (IPv6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlay_mtu: Option<u32>,
}

/// Answer of `POST /agent/v1/session`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionReply {
    /// The host.
    pub host_id: HostId,
    /// Number of this session, larger than that of every one before, whatever the clocks say.
    pub incarnation: i64,
    /// Seconds of silence after which the host counts as unreachable; an agent reports at least
    /// three times in that time.
    pub lease_s: u64,
}
