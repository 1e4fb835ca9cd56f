//! Groups.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "network team"}))]
pub struct GroupCreate {
    /// Name, unique in the organization.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<GroupCreate> for (Name, Labels) {
    type Error = Faults;

    fn try_from(wire: GroupCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        faults.finish_with(name.zip(labels))
    }
}

/// Changes a group; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "network team"}))]
pub struct GroupUpdate {
    /// Name, unique in the organization.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<GroupUpdate> for (Option<Name>, Option<Labels>) {
    type Error = Faults;

    fn try_from(wire: GroupUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        faults.finish_with(name.zip(labels))
    }
}

/// A group of users: what it may do, every member may.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000b", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "name": "network team", "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Group {
    /// Its id.
    pub id: Uuid,
    /// The organization it belongs to.
    pub organization_id: Uuid,
    /// Its name, unique in the organization.
    pub name: String,
    /// Labels.
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
