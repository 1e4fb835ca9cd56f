//! The scheduler: gives instances that wait a host, takes back what a host could not build, and
//! cleans the outbox. It keeps nothing: any number of schedulers may run, and any may be killed
//! between any two lines.

pub mod placement;
pub mod reconcile;

use iroko_store::Store;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// The scheduler's configuration file; see `scheduler/config.example.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The database, `postgres://user@host/iroko`.
    pub database_url: String,
    /// Most connections to it.
    #[serde(default = "default_connections")]
    pub database_connections: u32,
    /// Seconds of silence after which a host takes nothing new. The API's `lease_s` is the same.
    #[serde(default = "default_lease_s")]
    pub lease_s: u64,
}

const fn default_connections() -> u32 {
    8
}

const fn default_lease_s() -> u64 {
    iroko_store::LEASE_S
}

/// Runs all reconcilers until `shutdown`.
pub async fn run(store: Store, lease_s: u64, shutdown: CancellationToken) {
    let placement = reconcile::Placement::new(lease_s as f64);
    tokio::join!(
        Box::pin(reconcile::run(placement, store.clone(), shutdown.clone())),
        Box::pin(reconcile::run(reconcile::BuildFailure, store.clone(), shutdown.clone())),
        Box::pin(reconcile::run(reconcile::Purge, store.clone(), shutdown.clone())),
        Box::pin(reconcile::run(reconcile::ConnectionLog, store.clone(), shutdown.clone())),
        Box::pin(reconcile::run(reconcile::Silence, store.clone(), shutdown.clone())),
        Box::pin(reconcile::run(reconcile::Trim, store, shutdown)),
    );
}
