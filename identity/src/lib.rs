//! Who is who: organizations, projects, users, groups, service accounts, roles, sessions, keys, identity providers and second
//! factors, from their routes to their use cases. And who asks: the actor of a request, the guards that let it in, the layers
//! that know the caller.
//!
//! What a project owns is not in here.

pub mod auth;
pub mod extract;
pub mod layers;
pub mod noun;
pub mod resource;
pub mod routes;
pub mod service;
pub mod show;

use auth::Credentials;
use auth::config::AuthConfig;
use auth::password::Hasher;
use axum::extract::FromRef;
use iroko_store::Store;
use iroko_web::extract::TrustedProxies;
use layers::rate::{RateConfig, Rates};
use std::path::Path;
use std::sync::Arc;

/// What the guards, layers and handlers of this crate can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The database.
    pub store: Store,
    /// The configuration.
    pub config: Arc<IdentityConfig>,
    /// What credentials are made and checked with.
    pub credentials: Arc<Credentials>,
    /// Hashes passwords, a bounded number at a time.
    pub passwords: Arc<Hasher>,
    /// How often each caller has asked.
    pub rates: Arc<Rates>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: TrustedProxies,
}

/// The parts of the configuration that are about callers.
#[derive(Debug, Clone, Default)]
pub struct IdentityConfig {
    /// Log-in, sessions and keys.
    pub auth: AuthConfig,
    /// How often one caller may ask.
    pub rate: RateConfig,
}

impl Identity {
    /// Reads keys from the state directory and the database, and makes those that are missing.
    pub async fn load(config: IdentityConfig, state_dir: &Path, store: Store) -> anyhow::Result<Self> {
        Ok(Self {
            credentials: Arc::new(Credentials::load(&config.auth, state_dir, &store).await?),
            passwords: Arc::new(Hasher::start(config.auth.password_threads, config.auth.password_queue)?),
            rates: Arc::default(),
            proxies: TrustedProxies(config.auth.trusted_proxies.clone().into()),
            config: Arc::new(config),
            store,
        })
    }
}

impl FromRef<Identity> for Store {
    fn from_ref(identity: &Identity) -> Self {
        identity.store.clone()
    }
}

impl FromRef<Identity> for TrustedProxies {
    fn from_ref(identity: &Identity) -> Self {
        identity.proxies.clone()
    }
}
