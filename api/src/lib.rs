//! The nouns of tenants and operators over HTTP, the control plane's side of the agent link, and the process that serves both.
//!
//! A request's way: a guard ([`iroko_identity::extract`]) lets the caller in, `routes/` takes the request apart, `service/` does
//! it in one transaction, `show/` makes of a row what the API shows ([`iroko_wire`]). One noun has one file in each. What every
//! operation does alike is [`iroko_web`]'s.

pub mod agent_link;
pub mod config;
pub mod openapi;
pub mod routes;
pub mod server;
pub mod service;
pub mod show;

use agent_link::authority::Authority;
use agent_link::hub::Hub;
use axum::extract::FromRef;
use config::Config;
use iroko_identity::Identity;
use iroko_store::Store;
use service::image_store::ImageStore;
use std::sync::Arc;

/// What the handlers of this crate can reach; each takes the piece that it needs. Cheap to clone.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    /// The database.
    pub store: Store,
    /// Who asks, and what they may do.
    pub identity: Identity,
    /// The configuration.
    pub config: Arc<Config>,
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
    /// What agents watch.
    pub hub: Arc<Hub>,
    /// Asks whether agents' certificates still hold.
    pub certificates: agent_link::certificates::Certificates,
    /// What each agent may ask at the same time.
    pub turns: agent_link::turns::Turns,
    /// Takes agents' reports.
    pub reports: agent_link::intake::Intake,
}
