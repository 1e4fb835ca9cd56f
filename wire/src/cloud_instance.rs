//! Instances of the whole cloud, for operators.

use crate::common::Common;
use iroko_model::reason::Code;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// An instance, as the operator sees it: whose it is, where it is, how it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000005", "name": "web-1", "description": "", "labels": {},
    "generation": 3, "observed_generation": 3, "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z",
    "organization_id": "0198c0de-0000-7000-8000-000000000011", "organization_name": "Ministry of Finance",
    "project_id": "0198c0de-0000-7000-8000-000000000001", "project_name": "payroll",
    "status": "running", "power": "running", "host_id": "0198c0de-0000-7000-8000-000000000009",
    "host_name": "host-1", "placed_at": "2026-11-23T08:00:01Z", "flavor_id": "0198c0de-0000-7000-8000-000000000002",
    "vcpus": 1, "memory_mib": 1024, "disk_gib": 10, "architecture": "x86_64"}))]
pub struct CloudInstance {
    /// What every noun shows.
    #[serde(flatten)]
    pub common: Common,
    /// The organization of its project.
    pub organization_id: Uuid,
    /// The name of that.
    pub organization_name: String,
    /// Its project.
    pub project_id: Uuid,
    /// The name of that.
    pub project_name: String,
    /// Its status.
    #[schema(pattern = "^(pending|building|running|stopping|stopped|rebooting|paused|error|deleting|unreachable)$")]
    pub status: String,
    /// Why, in one word that programs compare; where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<iroko_model::reason::Code>)]
    pub status_code: Option<Code>,
    /// Why, in a sentence, in the language of `Accept-Language`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// What is wanted of it.
    #[schema(pattern = "^(running|stopped|deleted)$")]
    pub power: String,
    /// Its host; absent while it has none.
    pub host_id: Option<Uuid>,
    /// The name of that.
    pub host_name: Option<String>,
    /// When it got its host.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub placed_at: Option<OffsetDateTime>,
    /// The flavor it was made with.
    pub flavor_id: Uuid,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// What its host must be.
    #[schema(pattern = "^(x86_64|aarch64)$")]
    pub architecture: String,
    /// The generation that its host has carried out.
    pub observed_generation: i64,
}
