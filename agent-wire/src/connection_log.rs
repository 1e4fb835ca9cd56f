//! Connection logs: what a port asks for, and what a net-agent saw.

use iroko_model::connection_log::{Reason, Verdict};
use iroko_model::security_group::Direction;
use iroko_model::{MacAddress, PortId, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// What of a port's traffic is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionLogSpec {
    /// Which verdicts; each once, in order.
    pub verdicts: Vec<Verdict>,
    /// Most records a second, of each verdict and direction.
    pub records_per_second: u32,
}

/// A packet that a port sent or was to get, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// Its id, made by the agent: the same record told twice is one.
    pub id: Uuid,
    /// The port.
    pub port_id: PortId,
    /// When, by the host's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// As seen from the instance.
    pub direction: Direction,
    /// What became of it on the port's host.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The rule that accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<SecurityGroupRuleId>,
    /// Who sent the frame, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_mac: Option<MacAddress>,
    /// What the packet says of itself.
    #[serde(flatten)]
    pub headers: Headers,
}

/// What of a packet's headers is recorded; what could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// Its Ethernet type.
    pub ethertype: u16,
    /// Its sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Its receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpAddr>,
    /// Number of the protocol behind all extension headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// Of TCP, UDP and SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// Of TCP, UDP and SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// Of ICMP and ICMPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// Of ICMP and ICMPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
}

/// Body of `POST /agent/v1/connections`. Nothing waits for it; what does not arrive is told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionReport {
    /// Records, oldest first.
    pub records: Vec<ConnectionRecord>,
}

impl ConnectionReport {
    /// Most records in one report.
    pub const MAX: usize = 500;
}

/// Answer of `POST /agent/v1/connections`: what is to be kept of it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionReply {}
