//! Projects.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::{Description, Labels, Name, OrganizationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A project as it is wanted.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archives"}))]
pub struct ProjectCreate {
    /// Name, unique in the organization.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

/// What may change of a project.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archives"}))]
pub struct ProjectSettings {
    /// Name, unique in the organization.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for ProjectSettings {}

/// A project: the owner of instances, networks, images and keys.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000001", "name": "archives", "description": "",
    "organization_id": "0198c0de-0000-7000-8000-000000000000", "organization_name": "ministry", "status": "active", "labels": {},
    "generation": 1, "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Project {
    /// What every noun shows; the name is unique in the organization.
    #[serde(flatten)]
    pub common: Common,
    /// The organization it belongs to.
    pub organization_id: OrganizationId,
    /// The name of that organization.
    pub organization_name: String,
    /// `active`, `suspended` (itself; one above it may be, too) or `purging`.
    #[schema(pattern = "^(active|suspended|purging)$")]
    pub status: String,
}
