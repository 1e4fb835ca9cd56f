//! Service accounts.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a service account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "backup"}))]
pub struct ServiceAccountCreate {
    /// Name, unique in the organization.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<ServiceAccountCreate> for (Name, Labels) {
    type Error = Faults;

    fn try_from(wire: ServiceAccountCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        faults.finish_with(name.zip(labels))
    }
}

/// Changes a service account; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"disabled": true}))]
pub struct ServiceAccountUpdate {
    /// Name, unique in the organization.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// The keys of a disabled service account count no more.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked change.
#[derive(Debug)]
pub struct CheckedChange {
    /// Name.
    pub name: Option<Name>,
    /// Disabled or enabled.
    pub disabled: Option<bool>,
    /// Labels.
    pub labels: Option<Labels>,
}

impl TryFrom<ServiceAccountUpdate> for CheckedChange {
    type Error = Faults;

    fn try_from(wire: ServiceAccountUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        let checked = name.zip(labels).map(|(name, labels)| Self { name, disabled: wire.disabled, labels });
        faults.finish_with(checked)
    }
}

/// A program that acts for an organization.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000c", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "name": "backup", "disabled": false, "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct ServiceAccount {
    /// Its id.
    pub id: Uuid,
    /// The organization it belongs to.
    pub organization_id: Uuid,
    /// Its name, unique in the organization.
    pub name: String,
    /// Its keys count no more.
    pub disabled: bool,
    /// Labels.
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
