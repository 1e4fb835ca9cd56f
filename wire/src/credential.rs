//! Passwords.

use serde::Deserialize;
use utoipa::ToSchema;

/// Changes one's own password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"current_password": "a long pass phrase", "new_password": "another long pass phrase"}))]
pub struct PasswordChange {
    /// The password until now.
    pub current_password: String,
    /// The password from now on: 12 characters or more, none of the common ones.
    #[schema(min_length = 12, max_length = 1024)]
    pub new_password: String,
}

/// Sets another person's password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"password": "a long pass phrase"}))]
pub struct PasswordReset {
    /// The password from now on: 12 characters or more, none of the common ones.
    #[schema(min_length = 12, max_length = 1024)]
    pub password: String,
}
