//! Networks.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::{Description, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A network as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archives"}))]
pub struct NetworkCreate {
    /// Name; need not be unique.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for NetworkCreate {}

/// A network: one layer-2 segment of its own, on all hosts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000005", "name": "archives", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "mtu": 1450, "labels": {}, "generation": 2,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Network {
    /// What every noun shows; the name need not be unique.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// Largest packet of guests, in octets; they learn it by DHCP.
    pub mtu: i32,
}
