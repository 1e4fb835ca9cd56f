//! Organizations.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use crate::user::{CheckedUser, UserCreate};
use iroko_model::{Description, Labels, Name, Naming};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for an organization.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ministère des finances", "owner": {"username": "ama", "password": "a long pass phrase"}}))]
pub struct OrganizationCreate {
    /// Name, unique among those with the same parent.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Its first user, who owns it. Nobody can give the role `owner` who has not got it, so an
    /// organization at the top needs one.
    #[serde(default)]
    pub owner: Option<UserCreate>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for OrganizationCreate {
    fn check(&self, faults: &mut Faults) {
        drop(self.owner.clone().map(|owner| owner.checked("/owner", faults)));
    }
}

impl OrganizationCreate {
    /// What people write on it, and its first user.
    ///
    /// # Errors
    /// The faults of the user.
    pub fn checked(self) -> Result<(Naming, Option<CheckedUser>), Faults> {
        let mut faults = Faults::default();
        let owner = self.owner.and_then(|owner| owner.checked("/owner", &mut faults));
        faults.finish()?;
        Ok((Naming { name: self.name, description: self.description, labels: self.labels }, owner))
    }
}

/// What may change of an organization.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ministère de l'économie"}))]
pub struct OrganizationSettings {
    /// Name, unique among those with the same parent.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for OrganizationSettings {}

/// An organization: the owner of projects, users and customers of its own.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000000", "name": "Ministère des finances", "description": "",
    "status": "active", "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Organization {
    /// What every noun shows; the name is unique among those with the same parent.
    #[serde(flatten)]
    pub common: Common,
    /// The organization it is a customer of; absent at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<Uuid>,
    /// `active`, `suspended` (itself; one above it may be, too) or `purging`.
    #[schema(pattern = "^(active|suspended|purging)$")]
    pub status: String,
}
