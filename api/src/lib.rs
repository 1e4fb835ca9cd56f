//! The REST API and the control plane's side of the agent link, in one process.
//!
//! A request's way: `routes/` takes it apart and asks the policy, `wire/` checks it (from there on
//! names, sizes and addresses are valid), `service/` does it in one transaction, `wire/` shows the
//! result. One noun has one file in each. What concerns all requests (problems, tokens, pages,
//! limits) stands in `problem`, `auth/`, `extract/` and the layers of [`server`].

pub mod agent_link;
pub mod auth;
pub mod config;
pub mod connection;
pub mod extract;
pub mod layers;
pub mod locale;
pub mod openapi;
pub mod problem;
pub mod routes;
pub mod server;
pub mod service;
pub mod wire;

use agent_link::authority::Authority;
use agent_link::hub::Hub;
use auth::Credentials;
use auth::password::Hasher;
use config::Config;
use iroko_store::Store;
use service::image_store::ImageStore;
use std::sync::Arc;

/// Everything a handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The configuration.
    pub config: Arc<Config>,
    /// What credentials are made and checked with.
    pub credentials: Arc<Credentials>,
    /// Hashes passwords, a bounded number at a time.
    pub passwords: Arc<Hasher>,
    /// The bytes of images.
    pub images: Arc<ImageStore>,
    /// Signs agents' certificates.
    pub authority: Arc<Authority>,
    /// Seals and signs the audit log.
    pub audit: Arc<service::audit::AuditLog>,
    /// Open event streams.
    pub streams: service::event::Streams,
    /// The process ends.
    pub shutdown: tokio_util::sync::CancellationToken,
    /// How often each caller has asked.
    pub rates: Arc<layers::rate::Rates>,
    /// What agents watch.
    pub hub: Arc<Hub>,
    /// Asks whether agents' certificates still hold.
    pub certificates: agent_link::certificates::Certificates,
    /// What each agent may ask at the same time.
    pub turns: agent_link::turns::Turns,
    /// Takes agents' reports.
    pub reports: agent_link::intake::Intake,
}
