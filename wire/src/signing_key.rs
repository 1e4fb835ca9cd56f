//! The keys that sign access tokens.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A key that signs access tokens.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"kid": "NzbLsXh8uDCcd-6M", "state": "active", "created_at": "2026-11-23T08:00:00Z",
    "activated_at": "2026-11-23T09:00:00Z", "retired_at": null}))]
pub struct SigningKey {
    /// Its name, as in tokens and in the JWK set.
    pub kid: String,
    /// `next`: published, signs nothing yet; `active`: signs; `retired`: tokens it signed still hold.
    #[schema(pattern = "^(next|active|retired)$")]
    pub state: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it began to sign.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub activated_at: Option<OffsetDateTime>,
    /// When it ceased to sign.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retired_at: Option<OffsetDateTime>,
}
