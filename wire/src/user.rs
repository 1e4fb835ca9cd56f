//! Users.

use crate::fault::{Checked, Faults};
use crate::{LabelMap, labels};
use iroko_model::{Description, Labels, OrganizationId, UserId, Username, password};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Asks for a user.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "ama", "password": "a long pass phrase"}))]
pub struct UserCreate {
    /// Log-in name, unique over the cloud: lower case letters, digits and `. _ - @ +`.
    #[schema(min_length = 1, max_length = 64)]
    pub username: String,
    /// First password, 12 characters or more.
    #[schema(min_length = 12, max_length = 1024)]
    pub password: String,
    /// What the user is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedUser {
    /// Log-in name.
    pub username: Username,
    /// First password.
    pub password: String,
    /// What the user is for.
    pub description: Description,
    /// Labels.
    pub labels: Labels,
}

impl Checked for UserCreate {
    fn check(&self, faults: &mut Faults) {
        drop(self.clone().checked("", faults));
    }
}

impl UserCreate {
    /// Checks it as a part of a request, at `pointer`.
    pub fn checked(self, pointer: &str, faults: &mut Faults) -> Option<CheckedUser> {
        let right = password::check(&self.password, &[&self.username]);
        let username = faults.take(&format!("{pointer}/username"), Username::try_from(self.username));
        let right = faults.take(&format!("{pointer}/password"), right);
        let labels = faults.take(&format!("{pointer}/labels"), labels(self.labels));
        let password = right.map(|()| self.password);
        let description = self.description;
        username.zip(password).zip(labels).map(|((username, password), labels)| CheckedUser {
            username,
            password,
            description,
            labels,
        })
    }
}

impl TryFrom<UserCreate> for CheckedUser {
    type Error = Faults;

    fn try_from(wire: UserCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let checked = wire.checked("", &mut faults);
        faults.finish_with(checked)
    }
}

/// What may change of a user.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"disabled": true}))]
pub struct UserSettings {
    /// What the user is for.
    #[serde(default)]
    pub description: Description,
    /// A disabled user cannot log in, and their tokens count no more.
    #[serde(default)]
    pub disabled: bool,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for UserSettings {}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000a", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "username": "ama", "description": "", "disabled": false, "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z",
    "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The organization they belong to.
    pub organization_id: OrganizationId,
    /// Log-in name.
    pub username: String,
    /// What the user is for.
    pub description: String,
    /// They cannot log in.
    pub disabled: bool,
    /// Labels.
    #[schema(value_type = iroko_model::Labels)]
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// When they were made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When they were last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}
