//! Organizations.

use crate::fault::Faults;
use crate::user::{CheckedUser, UserCreate};
use crate::{LabelMap, labels};
use iroko_model::{Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for an organization.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ministère des finances", "owner": {"username": "ama", "password": "a long pass phrase"}}))]
pub struct OrganizationCreate {
    /// Name, unique among those with the same parent.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Its first user, who owns it. Nobody can give the role `owner` who has not got it, so an
    /// organization at the top needs one.
    #[serde(default)]
    pub owner: Option<UserCreate>,
    /// Labels.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedOrganization {
    /// Name.
    pub name: Name,
    /// Its first user.
    pub owner: Option<CheckedUser>,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<OrganizationCreate> for CheckedOrganization {
    type Error = Faults;

    fn try_from(wire: OrganizationCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        let owner = wire.owner.map(|owner| owner.check("/owner", &mut faults));
        let checked = name.zip(labels).zip(match owner {
            None => Some(None),
            Some(owner) => owner.map(Some),
        });
        faults.finish_with(checked.map(|((name, labels), owner)| Self { name, owner, labels }))
    }
}

/// Changes an organization; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ministère de l'économie"}))]
pub struct OrganizationUpdate {
    /// Name, unique among those with the same parent.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<OrganizationUpdate> for (Option<Name>, Option<Labels>) {
    type Error = Faults;

    fn try_from(wire: OrganizationUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        faults.finish_with(name.zip(labels))
    }
}

/// An organization: the owner of projects, users and customers of its own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000000", "name": "Ministère des finances", "status": "active",
    "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
    /// The organization it is a customer of; absent at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<Uuid>,
    /// Its name, unique among those with the same parent.
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
