//! Projects.

use iroko_store::account::Project as Row;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A project: the owner of instances, networks, images and keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000001", "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "name": "archives", "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Project {
    /// Its id.
    pub id: Uuid,
    /// The organization it belongs to.
    pub organization_id: Uuid,
    /// Its name, unique in the organization.
    pub name: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

impl From<Row> for Project {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            organization_id: row.organization_id.into(),
            name: row.name,
            created_at: row.created_at,
        }
    }
}
