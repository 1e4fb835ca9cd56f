//! Custom roles.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Invalid, Labels, Name, Permission, Permissions};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "night watch", "permissions": ["instance.read", "instance.power"]}))]
pub struct RoleCreate {
    /// Name, unique in the organization.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it allows, by name; nothing that its maker may not do.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub permissions: Vec<String>,
    /// Labels.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedRole {
    /// Name.
    pub name: Name,
    /// What it allows.
    pub permissions: Permissions,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<RoleCreate> for CheckedRole {
    type Error = Faults;

    fn try_from(wire: RoleCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let permissions = permissions(&wire.permissions, &mut faults);
        let labels = faults.take("/labels", labels(wire.labels));
        let checked = name.zip(permissions).zip(labels);
        faults.finish_with(checked.map(|((name, permissions), labels)| Self { name, permissions, labels }))
    }
}

fn permissions(names: &[String], faults: &mut Faults) -> Option<Permissions> {
    if names.is_empty() {
        faults.note("/permissions", Invalid::new("permissions_none", "a role allows at least one thing"));
        return None;
    }
    let checked = names
        .iter()
        .enumerate()
        .map(|(index, name)| faults.take(&format!("/permissions/{index}"), name.parse::<Permission>()));
    let checked: Vec<Option<Permission>> = checked.collect();
    checked.into_iter().collect()
}

/// Changes a role; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"permissions": ["instance.read"]}))]
pub struct RoleUpdate {
    /// Name, unique in the organization.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// What it allows, by name; everybody who holds the role has these at once.
    #[serde(default)]
    #[schema(value_type = Option<Vec<crate::words::Permission>>)]
    pub permissions: Option<Vec<String>>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A checked change.
#[derive(Debug)]
pub struct CheckedChange {
    /// Name.
    pub name: Option<Name>,
    /// What it allows.
    pub permissions: Option<Permissions>,
    /// Labels.
    pub labels: Option<Labels>,
}

impl TryFrom<RoleUpdate> for CheckedChange {
    type Error = Faults;

    fn try_from(wire: RoleUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let permissions = wire.permissions.and_then(|names| permissions(&names, &mut faults));
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        faults.finish()?;
        Ok(Self { name: name.flatten(), permissions, labels: labels.flatten() })
    }
}

/// A role made of named permissions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000d", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "name": "night watch", "permissions": ["instance.read", "instance.power"], "labels": {}, "generation": 1,
    "created_at": "2026-11-23T08:00:00Z"}))]
pub struct CustomRole {
    /// Its id.
    pub id: Uuid,
    /// The organization it belongs to; it can be given there and below.
    pub organization_id: Uuid,
    /// Its name, unique in the organization.
    pub name: String,
    /// What it allows, by name.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub permissions: Vec<String>,
    /// Labels.
    #[schema(value_type = iroko_model::Labels)]
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
