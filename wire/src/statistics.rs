//! Statistics of ports and of rules.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a port has carried since it was made, on whatever hosts. `rx` is what its instance received, `tx` what it sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"port_id": "0198c0de-0000-7000-8000-000000000007", "measured_at": "2026-11-26T08:00:00Z",
    "rx_packets": 81200, "rx_bytes": 93100400, "tx_packets": 40100, "tx_bytes": 3120000,
    "rx_dropped": {"security_groups": 310, "limits": 0, "flows": 0},
    "tx_dropped": {"port_security": 2, "security_groups": 0, "limits": 12, "flows": 0}}))]
pub struct PortStatistics {
    /// The port.
    pub port_id: Uuid,
    /// When its host last counted; absent where none has.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub measured_at: Option<OffsetDateTime>,
    /// Frames that the instance was given.
    pub rx_packets: i64,
    /// Their bytes, with the Ethernet header.
    pub rx_bytes: i64,
    /// Frames that the instance sent, also those dropped afterwards.
    pub tx_packets: i64,
    /// Their bytes, with the Ethernet header.
    pub tx_bytes: i64,
    /// Packets to the instance that it was not given, by reason.
    pub rx_dropped: ReceivedDropped,
    /// Packets from the instance that went no further, by reason.
    pub tx_dropped: SentDropped,
}

/// Packets to an instance that it was not given.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"security_groups": 310, "limits": 0, "flows": 0}))]
pub struct ReceivedDropped {
    /// No rule of the port's security groups allows them.
    pub security_groups: i64,
    /// Over a limit of the port.
    pub limits: i64,
    /// Would have begun a connection, or an exchange of datagrams, more than the host has room for.
    pub flows: i64,
}

/// Packets from an instance that went no further.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"port_security": 2, "security_groups": 0, "limits": 12, "flows": 0}))]
pub struct SentDropped {
    /// Sent from an address that is not the port's, or otherwise what port security refuses.
    pub port_security: i64,
    /// No rule of the port's security groups allows them.
    pub security_groups: i64,
    /// Over a limit of the port.
    pub limits: i64,
    /// Would have begun a connection, or an exchange of datagrams, more than the host has room for.
    pub flows: i64,
}

/// What the rules of a security group have let through, for all ports in it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"security_group_id": "0198c0de-0000-7000-8000-000000000020", "rules": [
    {"rule_id": "0198c0de-0000-7000-8000-000000000021", "measured_at": "2026-11-26T08:00:00Z", "packets": 1520, "bytes": 91200}]}))]
pub struct SecurityGroupStatistics {
    /// The security group.
    pub security_group_id: Uuid,
    /// A row for each of its rules, oldest rule first.
    pub rules: Vec<RuleStatistics>,
}

/// What a rule has let through since it was made, on all hosts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"rule_id": "0198c0de-0000-7000-8000-000000000021", "measured_at": "2026-11-26T08:00:00Z",
    "packets": 1520, "bytes": 91200}))]
pub struct RuleStatistics {
    /// The rule.
    pub rule_id: Uuid,
    /// Every host that has counted something of it has counted again since then; absent where nothing was counted.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub measured_at: Option<OffsetDateTime>,
    /// Packets that this rule itself accepted: of a stateful group those that begin a connection, until it is answered; of
    /// stateless groups all.
    pub packets: i64,
    /// Their bytes, without the Ethernet header.
    pub bytes: i64,
}
