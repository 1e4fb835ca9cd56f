//! `[auth]` and `[bootstrap]` of the configuration file.

use ipnetwork::IpNetwork;
use serde::Deserialize;
use std::path::PathBuf;
use time::Duration;

/// `[auth]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Networks of the reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNetwork>,
    /// File of breached passwords: `SHA-1:COUNT` lines ordered by hash, as Have I Been Pwned gives them.
    pub breached_passwords: Option<PathBuf>,
    /// Passwords hashed at the same time; 0: half of the processors.
    pub password_threads: usize,
    /// Log-ins that may wait for that; further ones are told to come back.
    pub password_queue: usize,
    /// Hours after which a session ends that is not refreshed.
    pub session_idle_hours: u32,
    /// Days after which a session ends in any case.
    pub session_days: u32,
    /// Networks besides the internet in which identity providers may be.
    pub oidc_networks: Vec<IpNetwork>,
    /// Identity providers may be asked without TLS (laboratories).
    pub oidc_plain_http: bool,
    /// Days a key signs access tokens before another takes its place.
    pub signing_key_days: u32,
    /// Origins under which browsers reach this API and its portal, such as `https://cloud.example`. Pages of these may hold a
    /// session by a cookie; none: no cookies.
    pub cookie_origins: Vec<String>,
    /// Session cookies may travel without TLS (laboratories).
    pub cookie_plain_http: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            breached_passwords: None,
            password_threads: 0,
            password_queue: 64,
            session_idle_hours: 7 * 24,
            session_days: 30,
            oidc_networks: Vec::new(),
            oidc_plain_http: false,
            signing_key_days: 30,
            cookie_origins: Vec::new(),
            cookie_plain_http: false,
        }
    }
}

impl AuthConfig {
    /// Life of a session that is not refreshed.
    pub fn session_idle(&self) -> Duration {
        Duration::hours(self.session_idle_hours.max(1).into())
    }

    /// Life of a session in any case.
    pub fn session_life(&self) -> Duration {
        Duration::days(self.session_days.max(1).into())
    }

    /// How long a key signs.
    pub fn signing_key_life(&self) -> Duration {
        Duration::days(self.signing_key_days.max(1).into())
    }
}

/// `[bootstrap]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapConfig {
    /// Name of the first organization.
    #[serde(default = "default_name")]
    pub organization: String,
    /// Name of its project.
    #[serde(default = "default_name")]
    pub project: String,
    /// Log-in name of the first operator.
    #[serde(default = "default_username")]
    pub username: String,
    /// Password of the first operator, 12 characters or more. Used only when the database is empty.
    pub password: String,
}

fn default_name() -> String {
    "default".to_owned()
}

fn default_username() -> String {
    "admin".to_owned()
}
