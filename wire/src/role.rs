//! Custom roles.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use iroko_model::{Description, Invalid, Labels, Name, OrganizationId, Permission};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A role as it is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "night watch", "permissions": ["instance.read", "instance.power"]}))]
pub struct RoleCreate {
    /// Name, unique in the organization.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// What it allows, by name; nothing that its maker may not do.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub permissions: Vec<Permission>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for RoleCreate {
    fn check(&self, faults: &mut Faults) {
        if self.permissions.is_empty() {
            faults.note("/permissions", Invalid::new("permissions_none", "a role allows at least one thing"));
        }
    }
}

/// A role made of named permissions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000d", "name": "night watch", "description": "",
    "organization_id": "0198c0de-0000-7000-8000-000000000000", "permissions": ["instance.read", "instance.power"], "labels": {},
    "generation": 1, "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct CustomRole {
    /// What every noun shows; the name is unique in the organization.
    #[serde(flatten)]
    pub common: Common,
    /// The organization it belongs to; it can be given there and below.
    pub organization_id: OrganizationId,
    /// What it allows, by name.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub permissions: Vec<String>,
}
