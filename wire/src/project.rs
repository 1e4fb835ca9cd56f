//! Projects.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archives"}))]
pub struct ProjectCreate {
    /// Name, unique in the organization.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Labels.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<ProjectCreate> for (Name, Labels) {
    type Error = Faults;

    fn try_from(wire: ProjectCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        faults.finish_with(name.zip(labels))
    }
}

/// Changes a project; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archives"}))]
pub struct ProjectUpdate {
    /// Name, unique in the organization.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<ProjectUpdate> for (Option<Name>, Option<Labels>) {
    type Error = Faults;

    fn try_from(wire: ProjectUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        faults.finish_with(name.zip(labels))
    }
}

/// A project: the owner of instances, networks, images and keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000001", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "organization_name": "ministry", "name": "archives", "status": "active", "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Project {
    /// Its id.
    pub id: Uuid,
    /// The organization it belongs to.
    pub organization_id: Uuid,
    /// The name of that organization.
    pub organization_name: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// `active`, `suspended` (itself; one above it may be, too) or `purging`.
    #[schema(pattern = "^(active|suspended|purging)$")]
    pub status: String,
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
