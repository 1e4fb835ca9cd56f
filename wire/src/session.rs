//! Sessions.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Asks for the next access token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"refresh_token": "iroko_rt_3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"}))]
pub struct RefreshRequest {
    /// The refresh token of the last answer.
    #[schema(max_length = 256)]
    pub refresh_token: String,
}

/// Which sessions to end.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SessionsEnd {
    /// Leave the session of this request alone.
    #[serde(default)]
    #[param(default = false, required = false)]
    pub keep_current: bool,
}

/// A session: one log-in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000009", "is_current": true, "method": "password", "carrier": "token",
    "source": "192.0.2.7", "user_agent": "iroko/0.1.0", "created_at": "2026-11-23T08:00:00Z", "used_at": "2026-11-23T08:15:00Z",
    "idle_expires_at": "2026-11-30T08:15:00Z", "expires_at": "2026-12-23T08:00:00Z"}))]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// It is the one of this request.
    pub is_current: bool,
    /// How the person proved who they are: `password` or `oidc`.
    #[schema(pattern = "^(password|oidc)$")]
    pub method: String,
    /// What the client holds: `token` (an access and a refresh token) or `cookie` (a browser).
    #[schema(pattern = "^(token|cookie)$")]
    pub carrier: String,
    /// Address it was begun from.
    pub source: String,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// When it was begun.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// Its last renewal: a refresh, or the next value of its cookie.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub used_at: OffsetDateTime,
    /// It ends then unless it is renewed before.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub idle_expires_at: OffsetDateTime,
    /// It ends then in any case.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: OffsetDateTime,
}
