//! The second factor.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The second step of a log-in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"challenge": "iroko_ch_3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs", "code": "287082"}))]
pub struct SecondFactorRequest {
    /// `challenge` of the problem that the first step was answered with.
    #[schema(max_length = 256)]
    pub challenge: String,
    /// Six digits of the authenticator, or a recovery code.
    #[schema(max_length = 64)]
    pub code: String,
}

/// Begins to set up a second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"password": "a long pass phrase"}))]
pub struct TotpEnrol {
    /// The caller's password, so that a stolen token is not enough.
    pub password: String,
}

/// What an authenticator needs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "uri": "otpauth://totp/Iroko:ama?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Iroko"}))]
pub struct TotpEnrolment {
    /// The secret in base32, to be typed. It is shown this once.
    pub secret: String,
    /// The same as an `otpauth:` address, to be shown as a QR code.
    pub uri: String,
}

/// Proves that the authenticator is at hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "287082"}))]
pub struct TotpCode {
    /// Six digits of the authenticator or, where one is set up, a recovery code.
    #[schema(max_length = 64)]
    pub code: String,
}

/// Codes for the day when the authenticator is lost, each good once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"recovery_codes": ["abcd-efgh-ijkm-npqr", "stuv-wxyz-2345-6789"]}))]
pub struct RecoveryCodes {
    /// They are shown this once.
    pub recovery_codes: Vec<String>,
}

/// State of the caller's second factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"status": "enabled", "confirmed_at": "2026-11-23T08:00:00Z", "recovery_codes_left": 10}))]
pub struct TotpStatus {
    /// `disabled`, `pending` (no code was right yet) or `enabled` (log-ins need a code).
    #[schema(pattern = "^(disabled|pending|enabled)$")]
    pub status: String,
    /// Since when log-ins need a code.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub confirmed_at: Option<OffsetDateTime>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: i64,
}
