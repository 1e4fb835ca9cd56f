//! Groups.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::{Description, Labels, Name, OrganizationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A group as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "network team"}))]
pub struct GroupCreate {
    /// Name, unique in the organization.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for GroupCreate {}

/// A group of users. Roles given to it are those of its members.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000b", "name": "network team", "description": "",
    "organization_id": "0198c0de-0000-7000-8000-000000000000", "labels": {}, "generation": 1,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Group {
    /// What every noun shows; the name is unique in the organization.
    #[serde(flatten)]
    pub common: Common,
    /// Its organization.
    pub organization_id: OrganizationId,
}
