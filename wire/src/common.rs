//! What the answers of all nouns have, and what changes them.

use crate::LabelMap;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What every noun shows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Common {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels.
    #[schema(value_type = iroko_model::Labels)]
    pub labels: LabelMap,
    /// Grows with each change of what is wanted.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}
