//! Hosts and enrolment tokens, for operators.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use iroko_model::{Description, Invalid, Labels};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest life of an enrolment token, in seconds.
pub const TOKEN_MAX_S: u32 = 7 * 24 * 3600;

/// What may change of a host. Its name never does: its agents and its certificates have it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"state": "disabled", "description": "new disk on Monday", "labels": {"rack": "b7"}}))]
pub struct HostSettings {
    /// `enabled`: takes new instances; `disabled`: keeps what it has.
    #[schema(pattern = "^(enabled|disabled)$")]
    pub state: String,
    /// What it is for, and what there is to know about it.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for HostSettings {}

/// Says that a host is lost for good.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "host-2"}))]
pub struct HostDeclareDead {
    /// The host's name, so that no other one is meant.
    #[schema(min_length = 1, max_length = 253)]
    pub name: String,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"host": {"id": "0198c0de-0000-7000-8000-000000000009", "name": "host-2", "state": "dead", "reachable": false,
    "architecture": "x86_64", "vtep_ip": "192.0.2.22", "instances": 0, "capacity": {"vcpus": 64, "memory_mib": 131072, "disk_gib": 2000},
    "used": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}, "description": "", "labels": {}, "generation": 2,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-24T08:00:00Z"},
    "lost": 7, "placed_anew": 1, "deleted": 2}))]
pub struct HostDeclaredDead {
    /// The host.
    pub host: Host,
    /// Instances that are lost: they ran on it, and their disks with them.
    pub lost: i64,
    /// Instances that had not run yet: another host is looked for.
    pub placed_anew: i64,
    /// Instances that were being deleted: they are gone.
    pub deleted: i64,
}

/// An amount of virtual processors, memory and disk.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Amounts {
    /// Virtual processors.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mib: i64,
    /// Disk in GiB.
    pub disk_gib: i64,
}

/// The file system on which a host keeps disks and images.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"total_mib": 2097152, "free_mib": 524288, "full": false}))]
pub struct HostDisk {
    /// Its size in MiB.
    pub total_mib: i64,
    /// What is free of it, in MiB.
    pub free_mib: i64,
    /// It is full: guests that write are held until it has room, and nothing is built there.
    pub full: bool,
}

/// A computer that carries instances.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000009", "name": "host-1", "state": "enabled", "reachable": true,
    "architecture": "x86_64", "vtep_ip": "192.0.2.21", "instances": 12,
    "capacity": {"vcpus": 64, "memory_mib": 131072, "disk_gib": 2000}, "used": {"vcpus": 24, "memory_mib": 49152, "disk_gib": 240},
    "compute_version": "0.1.0", "net_version": "0.1.0", "description": "", "labels": {"rack": "b7"}, "generation": 1,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Host {
    /// What every noun shows; the name is unique.
    #[serde(flatten)]
    pub common: Common,
    /// `enabled`, `disabled` or `dead`.
    #[schema(pattern = "^(enabled|disabled|dead)$")]
    pub state: String,
    /// Both its agents were heard of within the lease.
    pub reachable: bool,
    /// Processor architecture, once its compute-agent has told.
    #[schema(pattern = "^(x86_64|aarch64)$")]
    pub architecture: Option<String>,
    /// Underlay address of its VXLAN end, once its net-agent has told.
    pub vtep_ip: Option<String>,
    /// Instances on it.
    pub instances: i64,
    /// What instances may use in all.
    pub capacity: Amounts,
    /// What is given away.
    pub used: Amounts,
    /// The file system of its disks and images, once its compute-agent has told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<HostDisk>,
    /// The release of its compute-agent, as that called itself when it last connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_version: Option<String>,
    /// The release of its net-agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_version: Option<String>,
    /// When its compute-agent was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub compute_seen_at: Option<OffsetDateTime>,
    /// When its net-agent was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub net_seen_at: Option<OffsetDateTime>,
}

/// Asks for an enrolment token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"host_name": "host-1", "valid_s": 3600}))]
pub struct EnrolmentTokenCreate {
    /// The only host name it is good for. A host of this name that is there joins anew.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 63)]
    pub host_name: Option<String>,
    /// Seconds it holds, 60 to 604800; an hour unless given.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 604800)]
    pub valid_s: Option<u32>,
}

/// A checked request: host name, seconds.
#[derive(Debug)]
pub struct CheckedToken {
    /// The only host name it is good for.
    pub host_name: Option<String>,
    /// Seconds it holds.
    pub valid_s: u32,
}

impl TryFrom<EnrolmentTokenCreate> for CheckedToken {
    type Error = Faults;

    fn try_from(wire: EnrolmentTokenCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let host_name = faults.take("/host_name", wire.host_name.map(host_name).transpose());
        let valid_s = wire.valid_s.unwrap_or(3600);
        if !(60..=TOKEN_MAX_S).contains(&valid_s) {
            faults.note("/valid_s", Invalid::new("valid_range", format!("a token holds 60 to {TOKEN_MAX_S} seconds")));
        }
        faults.finish()?;
        Ok(Self { host_name: host_name.flatten(), valid_s })
    }
}

/// Checks a host's name: a host name of one or more DNS labels.
pub fn host_name(text: String) -> Result<String, Invalid> {
    let label = |label: &str| iroko_model::Hostname::try_from(label.to_owned()).is_ok();
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text);
    }
    Err(Invalid::new(
        "host_name_form",
        "a host's name is a DNS name in lower case, such as host-1 or host-1.lome.example",
    ))
}

/// An enrolment token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000a", "token": "iroko-enrol-c2VjcmV0-00ff", "host_name": "host-1",
    "used_by": [], "created_at": "2026-11-23T08:00:00Z", "expires_at": "2026-11-23T09:00:00Z"}))]
pub struct EnrolmentToken {
    /// Its id.
    pub id: Uuid,
    /// The token itself; shown once, when it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The only host name it is good for.
    pub host_name: Option<String>,
    /// Agents that have used it: `compute`, `net`.
    pub used_by: Vec<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
}
