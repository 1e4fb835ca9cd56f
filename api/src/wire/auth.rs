//! Log-in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// An access token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"access_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSJ9.e30.c2ln", "token_type": "Bearer", "expires_in_s": 900}))]
pub struct TokenResponse {
    /// Send it as `Authorization: Bearer TOKEN`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds it holds.
    pub expires_in_s: u64,
}
