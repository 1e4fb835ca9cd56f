//! Orphans, for operators: what hosts have that the database does not know.

use crate::fault::Faults;
use iroko_model::{Name, ProjectId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Query of the list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrphanParams {
    /// Most items on the page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub limit: Option<i32>,
    /// `next_cursor` of the page before; the first page without.
    pub cursor: Option<String>,
    /// Only of this host.
    pub host_id: Option<Uuid>,
}

/// Something that a host has and that the database does not know, after a restore from a backup mostly. Its host keeps it
/// as it is, running or not.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"host_id": "0198c0de-0000-7000-8000-000000000009", "host_name": "host-1", "kind": "instance",
    "id": "0198c0de-0000-7000-8000-000000000001", "instance_id": "0198c0de-0000-7000-8000-000000000001", "running": true, "hostname": "web-1",
    "vcpus": 1, "memory_mib": 1024, "disk_gib": 10, "ip_addresses": ["10.50.0.117"], "network_ids": ["0198c0de-0000-7000-8000-000000000003"],
    "first_seen_at": "2026-11-27T08:00:00Z", "seen_at": "2026-11-27T08:00:00Z"}))]
pub struct Orphan {
    /// The host that has it.
    pub host_id: Uuid,
    /// Name of the host.
    pub host_name: String,
    /// `instance`, or `port` of an instance.
    #[schema(pattern = "^(instance|port)$")]
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// The instance, or the one that the port is of.
    pub instance_id: Uuid,
    /// The instance runs.
    pub running: bool,
    /// Host name of the instance, where its host still knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Virtual processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u64>,
    /// Memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// Disk in GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_gib: Option<u64>,
    /// Addresses of the instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// Networks of the instance, or of the port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_ids: Vec<Uuid>,
    /// When its host first told of it.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub first_seen_at: OffsetDateTime,
    /// When its host last told of it.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: OffsetDateTime,
}

/// Makes an instance that a host keeps one of a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"project_id": "0198c0de-0000-7000-8000-00000000000b", "name": "web-1"}))]
pub struct OrphanAdopt {
    /// Its project. It must have the instance's networks.
    pub project_id: Uuid,
    /// Its name; its host name unless given.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
}

impl OrphanAdopt {
    /// Project and name, checked.
    pub fn checked(self) -> Result<(ProjectId, Option<Name>), Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", self.name.map(Name::try_from).transpose());
        faults.finish_with(name.map(|name| (self.project_id.into(), name)))
    }
}
