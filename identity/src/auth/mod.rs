//! Who asks, by what they prove it, and what they may do.

pub mod api_key;
pub mod breached;
pub mod clock;
pub mod config;
pub mod cookie;
pub mod lockout;
pub mod oidc;
pub mod password;
pub mod policy;
pub mod refresh;
pub mod secret_box;
pub mod signing_key;
pub mod subject;
pub mod token;
pub mod totp;

use anyhow::Context;
use breached::Breached;
use clock::Clock;
use config::AuthConfig;
use cookie::SessionCookies;
use iroko_store::Store;
use oidc::client::Client;
use oidc::reach::Reach;
use refresh::RefreshTokens;
use secret_box::SecretBox;
use signing_key::Ring;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use time::OffsetDateTime;

/// What credentials are made and checked with.
#[derive(Debug)]
pub struct Credentials {
    /// The time.
    pub clock: Clock,
    /// Seals secrets.
    pub secrets: SecretBox,
    /// Makes refresh tokens.
    pub refresh: RefreshTokens,
    /// Cookies of sessions.
    pub cookies: SessionCookies,
    /// Key of the hashes of recovery codes.
    pub recovery: aws_lc_rs::hmac::Key,
    /// Asks identity providers.
    pub oidc: Client,
    /// The operator's list of breached passwords.
    pub breached: Option<Arc<Breached>>,
    /// The keys that sign access tokens, and when they were read.
    ring: RwLock<(Ring, OffsetDateTime)>,
}

impl Credentials {
    /// Reads what lies in the state directory and the database, and makes what is missing.
    pub async fn load(config: &AuthConfig, state_dir: &Path, store: &Store) -> anyhow::Result<Self> {
        let clock = Clock::default();
        let secrets = SecretBox::load(state_dir).context("the key of sealed secrets (state_dir)")?;
        let open = |path: &std::path::PathBuf| {
            Breached::open(path).with_context(|| format!("auth.breached_passwords {}", path.display()))
        };
        let breached = config.breached_passwords.as_ref().map(open).transpose()?.map(Arc::new);
        let now = clock.now();
        let ring = crate::service::signing_key::keep(store, &secrets, config.signing_key_life(), now).await?;
        let (refresh, recovery) = (RefreshTokens::new(&secrets)?, secrets.mac_key("recovery-code")?);
        let reach = Reach { allowed: config.oidc_networks.clone().into(), plain_http: config.oidc_plain_http };
        let oidc = Client::new(reach).context("making an HTTP client")?;
        let cookies = SessionCookies::new(config)?;
        Ok(Self { clock, secrets, refresh, cookies, recovery, oidc, breached, ring: RwLock::new((ring, now)) })
    }

    /// The keys that sign access tokens.
    pub fn ring(&self) -> Ring {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// When they were read.
    pub fn ring_read_at(&self) -> OffsetDateTime {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Puts others in their place.
    pub fn set_ring(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = (ring, self.clock.now());
    }
}
