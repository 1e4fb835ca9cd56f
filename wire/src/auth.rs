//! Log-in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for an access token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "admin", "password": "a long pass phrase"}))]
pub struct TokenRequest {
    /// Log-in name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// An access token and how to get the next one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.e30.c2ln", "token_type": "Bearer", "expires_in_s": 900,
    "refresh_token": "iroko_rt_3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs", "refresh_expires_in_s": 604800,
    "session_id": "0198c0de-0000-7000-8000-000000000009"}))]
pub struct TokenResponse {
    /// Send it as `Authorization: Bearer TOKEN`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(pattern = "^(Bearer)$")]
    pub token_type: String,
    /// Seconds it holds.
    pub expires_in_s: u64,
    /// Good for one `POST /v1/auth/refresh`.
    pub refresh_token: String,
    /// Seconds until the session ends unless it is refreshed.
    pub refresh_expires_in_s: u64,
    /// The session that the tokens are of.
    pub session_id: Uuid,
}
