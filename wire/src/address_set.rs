//! Address sets.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::cidr::Cidrs;
use iroko_model::{Description, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An address set as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "offices", "cidrs": ["198.51.100.0/24", "2001:db8:1::/48"]}))]
pub struct AddressSetCreate {
    /// Name, unique in the project.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Ranges of both families, each once, at most 1000.
    pub cidrs: Cidrs,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for AddressSetCreate {}

/// A named list of ranges that rules refer to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000022", "name": "offices", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "cidrs": ["198.51.100.0/24", "2001:db8:1::/48"], "labels": {},
    "generation": 1, "created_at": "2026-11-25T08:00:00Z", "updated_at": "2026-11-25T08:00:00Z"}))]
pub struct AddressSet {
    /// What every noun shows; the name is unique in the project.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// Its ranges.
    pub cidrs: Vec<String>,
}
