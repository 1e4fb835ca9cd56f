//! Connection logs and their records.

use crate::fault::Faults;
use iroko_model::Invalid;
use iroko_model::connection_log::{RECORDS_PER_SECOND_MAX, Verdict};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Shortest and longest time that a log records, in seconds.
pub const DURATION_S: std::ops::RangeInclusive<i64> = 60..=7 * 86400;

const DURATION_DEFAULT_S: i64 = 3600;

const RATE_DEFAULT: i64 = 10;

/// Asks for a port's log, or changes the one it has. Its time begins anew; its records stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"verdicts": ["dropped"], "records_per_second": 10, "duration_s": 3600}))]
pub struct ConnectionLogSet {
    /// What is recorded: `accepted`, `dropped`, or both.
    #[schema(value_type = Vec<crate::words::Verdict>, min_items = 1, max_items = 2)]
    pub verdicts: Vec<String>,
    /// Most records a second, of each verdict and direction; 10 unless given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    pub records_per_second: Option<i64>,
    /// How long it records from now on, in seconds, at most a week; an hour unless given.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 604800, default = 3600)]
    pub duration_s: Option<i64>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedConnectionLog {
    /// What is recorded, each once, in order.
    pub verdicts: Vec<Verdict>,
    /// Most records a second.
    pub records_per_second: i32,
    /// How long it records.
    pub duration_s: i64,
}

impl TryFrom<ConnectionLogSet> for CheckedConnectionLog {
    type Error = Faults;

    fn try_from(wire: ConnectionLogSet) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut verdicts = Vec::new();
        for (index, word) in wire.verdicts.iter().enumerate() {
            verdicts.extend(faults.take(&format!("/verdicts/{index}"), word.parse::<Verdict>()));
        }
        if wire.verdicts.is_empty() {
            faults.note(
                "/verdicts",
                Invalid::new("verdicts_none", "name what is to be recorded: accepted, dropped, or both"),
            );
        }
        verdicts.sort_unstable();
        verdicts.dedup();
        let rate = wire.records_per_second.unwrap_or(RATE_DEFAULT);
        if !(1..=i64::from(RECORDS_PER_SECOND_MAX)).contains(&rate) {
            let text = format!("records_per_second is a number from 1 to {RECORDS_PER_SECOND_MAX}");
            faults.note("/records_per_second", Invalid::new("rate_range", text));
        }
        let duration_s = wire.duration_s.unwrap_or(DURATION_DEFAULT_S);
        if !DURATION_S.contains(&duration_s) {
            let text = format!("duration_s is a number from {} to {}", DURATION_S.start(), DURATION_S.end());
            faults.note("/duration_s", Invalid::new("duration_range", text));
        }
        faults.finish()?;
        Ok(Self { verdicts, records_per_second: i32::try_from(rate).unwrap_or(1), duration_s })
    }
}

/// What of a port's traffic is recorded, and until when.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"port_id": "0198c0de-0000-7000-8000-000000000007", "verdicts": ["dropped"], "records_per_second": 10,
    "expires_at": "2026-11-26T09:00:00Z", "is_active": true, "records_lost": 0, "created_at": "2026-11-26T08:00:00Z"}))]
pub struct ConnectionLog {
    /// The port.
    pub port_id: Uuid,
    /// What is recorded: `accepted`, `dropped`, or both.
    #[schema(value_type = Vec<crate::words::Verdict>)]
    pub verdicts: Vec<String>,
    /// Most records a second, of each verdict and direction.
    pub records_per_second: i32,
    /// Until when it records.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
    /// It records now.
    pub is_active: bool,
    /// Packets of the port that should have been recorded and were not, because there were too many; of all its logs so far.
    pub records_lost: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// Which records of a log are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecordParams {
    /// Most items on the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<i32>,
    /// `next_cursor` of the page before; the first page without.
    pub cursor: Option<String>,
    /// Only `accepted` or only `dropped` ones.
    #[param(pattern = "^(accepted|dropped)$")]
    pub verdict: Option<String>,
}

/// A packet that a port sent or was to get, and what became of it on the port's host.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000030", "occurred_at": "2026-11-26T08:00:00Z", "direction": "ingress",
    "verdict": "dropped", "reason": "no_rule", "source_mac_address": "02:7c:11:22:33:44", "ethertype": 2048, "protocol": 6,
    "source": "10.20.0.9", "destination": "10.20.0.17", "source_port": 40112, "destination_port": 23}))]
pub struct ConnectionRecord {
    /// Its id.
    pub id: Uuid,
    /// When, by the host's clock.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: OffsetDateTime,
    /// `ingress`: to the instance; `egress`: from it.
    #[schema(pattern = "^(ingress|egress)$")]
    pub direction: String,
    /// `accepted` or `dropped`.
    #[schema(value_type = crate::words::Verdict)]
    pub verdict: String,
    /// `rule`: a rule allows it; `no_rule`: no rule of the port's groups does; `port_security`: it was sent from an address that
    /// is not the port's, or is what no instance may send.
    #[schema(value_type = crate::words::VerdictReason)]
    pub reason: String,
    /// The rule that accepted it, as far as it could be told; it may be gone by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<Uuid>,
    /// Ethernet address of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_mac_address: Option<String>,
    /// Ethernet type: 2048 is IPv4, 34525 IPv6, 2054 ARP.
    pub ethertype: i32,
    /// Number of the protocol: 1 is ICMP, 6 TCP, 17 UDP, 58 ICMPv6, 132 SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<i16>,
    /// Address of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Address of the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Of TCP, UDP and SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<i32>,
    /// Of TCP, UDP and SCTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<i32>,
    /// Of ICMP and ICMPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<i16>,
    /// Of ICMP and ICMPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<i16>,
}
