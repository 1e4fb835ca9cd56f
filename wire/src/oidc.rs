//! Log-in by an identity provider.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Whose providers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OidcProviderParams {
    /// The organization, as the link of its portal says.
    #[param(example = "0198c0de-0000-7000-8000-00000000000a")]
    pub organization_id: Uuid,
}

/// A provider that people of an organization may log in by.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000c", "name": "keycloak"}))]
pub struct OidcProvider {
    /// For `/v1/auth/oidc/{id}/...`.
    pub id: Uuid,
    /// What to write on the button.
    pub name: String,
}

/// Begins a log-in in a browser.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OidcStart {
    /// The page that the provider sends the browser back to: one of the provider's `redirect_uris`.
    #[param(example = "https://portal.example/login")]
    pub redirect_uri: String,
}

/// What the provider sent the browser back with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "SplxlOBeZQQYbYS6WxSbIA", "state": "af0ifjsldkj"}))]
pub struct OidcCallback {
    /// `code` of the query.
    #[schema(max_length = 4096)]
    pub code: String,
    /// `state` of the query.
    #[schema(max_length = 256)]
    pub state: String,
    /// `iss` of the query, where there is one (RFC 9207).
    #[serde(default)]
    #[schema(max_length = 256)]
    pub iss: Option<String>,
}

/// A log-in on a device without a browser has begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"device_token": "AYq7", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/device",
    "verification_uri_complete": "https://id.example/device?user_code=WDJB-MJHT", "interval_s": 5, "expires_in_s": 600}))]
pub struct OidcDevice {
    /// Send it to `.../device/token` until the answer is tokens.
    pub device_token: String,
    /// What the person types.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: String,
    /// The same with the code in it, for a QR code.
    pub verification_uri_complete: Option<String>,
    /// Seconds between two questions.
    pub interval_s: u64,
    /// Seconds until the log-in must be begun anew.
    pub expires_in_s: u64,
}

/// Asks whether the person has logged in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"device_token": "AYq7"}))]
pub struct OidcDeviceToken {
    /// Of the answer that began it.
    #[schema(max_length = 8192)]
    pub device_token: String,
}
