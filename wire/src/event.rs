//! Events as they are shown.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something happened to a thing of the project, the organization or the system. Read the thing to see how it is now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"noun": "instance", "object_id": "0198c0de-0000-7000-8000-000000000008", "verb": "changed",
    "fields": ["status"], "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Event {
    /// What kind of thing: `instance`, `network`, `port`, ...
    pub noun: String,
    /// Which one.
    pub object_id: Uuid,
    /// `created`, `changed` or `deleted`.
    #[schema(pattern = "^(created|changed|deleted)$")]
    pub verb: String,
    /// Of a change: which fields.
    pub fields: Vec<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// The id of an event: where it stands in the order of all.
pub fn place_text((revision, seq): (i64, i64)) -> String {
    format!("{revision}-{seq}")
}

/// Reads such an id.
pub fn place_of(text: &str) -> Option<(i64, i64)> {
    let (revision, seq) = text.trim().split_once('-')?;
    Some((revision.parse().ok()?, seq.parse().ok()?))
}
