//! `iroko-compute-agent`: keeps the instances of one host as they are desired.
//!
//! ```text
//!  DesiredHandle ──Dirty──> supervisor ──wake──> one task an instance ──> Hypervisor (libvirt | fake)
//!  hypervisor hints ──────────^   ^                 look, decide,  ───> Storage    (local   | fake)
//!  periodic list of all ──────────┘                 act, report    ───> Reporter
//! ```
//!
//! Invariants: never two acts on one instance at once; nothing on the host is touched that does not
//! carry our mark, nor before anything is known of what is desired; an instance is reported `failed`
//! while building only when no trace of it is left, and `running` only after that is on disk.
//!
//! [`run`] is the agent of a real host, [`run_with`] the same over any storage: simulated hosts use
//! it with [`hypervisor::fake`] and [`storage::fake`].

pub mod capacity;
pub mod config;
mod console;
pub mod definition;
pub mod disk;
pub mod domain_xml;
pub mod faults;
mod host;
pub mod hypervisor;
pub mod image;
pub mod instance;
pub mod seed;
pub mod storage;
mod supervisor;

pub use config::Config;
pub use hypervisor::Hypervisor;
pub use storage::Storage;

use domain_xml::DomainHost;
use host::Host;
use iroko_agent_link::{DesiredHandle, ImageSource, ReadyPorts, Reporter};
use std::sync::Arc;
use storage::local::LocalStorage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory of the agent's state could not be prepared.
    #[error("the state directory cannot be used")]
    Storage(#[from] storage::StorageError),
    /// The host cannot be measured.
    #[error("the host cannot be described")]
    Capacity(#[from] capacity::CapacityError),
}

/// Runs the agent of a real host until `shutdown`. Steps under way are finished, within a bound;
/// instances keep running.
pub async fn run(
    config: Config,
    desired: DesiredHandle,
    reporter: Reporter,
    images: Arc<dyn ImageSource>,
    ready: ReadyPorts,
    hypervisor: Arc<dyn Hypervisor>,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let storage = Arc::new(LocalStorage::open(&config, images)?);
    run_with(config, desired, reporter, storage, ready, hypervisor, shutdown).await
}

/// Runs the agent over any storage until `shutdown`.
pub async fn run_with(
    config: Config,
    desired: DesiredHandle,
    reporter: Reporter,
    storage: Arc<dyn Storage>,
    ready: ReadyPorts,
    hypervisor: Arc<dyn Hypervisor>,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let domains = DomainHost::new(&config, capacity::architecture()?);
    let host = Arc::new(Host {
        starts: Semaphore::new(config.concurrent_starts.max(1)),
        config,
        domains,
        desired,
        reporter,
        ready,
        hypervisor,
        storage,
    });
    supervisor::Supervisor::new(host, shutdown).run().await;
    Ok(())
}
