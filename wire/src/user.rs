//! Users.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Labels, Username, password};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "ama", "password": "a long pass phrase"}))]
pub struct UserCreate {
    /// Log-in name, unique over the cloud: lower case letters, digits and `. _ - @ +`.
    #[schema(min_length = 1, max_length = 64)]
    pub username: String,
    /// First password, 12 characters or more.
    #[schema(min_length = 12, max_length = 1024)]
    pub password: String,
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
    /// Labels.
    pub labels: Labels,
}

impl UserCreate {
    /// Checks it as a part of a request, at `pointer`.
    pub fn check(self, pointer: &str, faults: &mut Faults) -> Option<CheckedUser> {
        let right = password::check(&self.password, &[&self.username]);
        let username = faults.take(&format!("{pointer}/username"), Username::try_from(self.username));
        let right = faults.take(&format!("{pointer}/password"), right);
        let labels = faults.take(&format!("{pointer}/labels"), labels(self.labels));
        let password = right.map(|()| self.password);
        username.zip(password).zip(labels).map(|((username, password), labels)| CheckedUser {
            username,
            password,
            labels,
        })
    }
}

impl TryFrom<UserCreate> for CheckedUser {
    type Error = Faults;

    fn try_from(wire: UserCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let checked = wire.check("", &mut faults);
        faults.finish_with(checked)
    }
}

/// Changes a user; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"disabled": true}))]
pub struct UserUpdate {
    /// A disabled user cannot log in, and their tokens count no more.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A user.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000a", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "username": "ama", "disabled": false, "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct User {
    /// Their id.
    pub id: Uuid,
    /// The organization they belong to.
    pub organization_id: Uuid,
    /// Log-in name.
    pub username: String,
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
}
