//! QoS policies.

use crate::common::Common;
use crate::fault::Checked;
use crate::flavor::NetworkLimits;
use iroko_model::{Description, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A QoS policy as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archive", "network_limits": {"egress_kbit_s": 20000}}))]
pub struct QosPolicyCreate {
    /// Name, unique in the project.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// How much each port with it may carry.
    pub network_limits: NetworkLimits,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for QosPolicyCreate {}

/// How much ports may carry, under a name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000023", "name": "archive", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "network_limits": {"egress_kbit_s": 20000}, "labels": {}, "generation": 1,
    "created_at": "2026-11-26T08:00:00Z", "updated_at": "2026-11-26T08:00:00Z"}))]
pub struct QosPolicy {
    /// What every noun shows; the name is unique in the project.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// How much each port with it may carry; a port's flavor may allow less.
    pub network_limits: NetworkLimits,
}
