//! The nouns of tenants and operators over HTTP, and the process that serves them and the agents' side ([`iroko_agent_hub`]).
//!
//! A request's way: a guard ([`iroko_identity::extract`]) lets the caller in, `routes/` takes the request apart, `service/` does
//! it in one transaction, `show/` makes of a row what the API shows ([`iroko_wire`]). One noun has one file in each. What every
//! operation does alike is [`iroko_web`]'s.

pub mod config;
pub mod metrics;
pub mod openapi;
pub mod resource;
pub mod routes;
pub mod server;
pub mod service;
pub mod show;

use axum::extract::FromRef;
use config::Config;
use iroko_agent_hub::AgentHub;
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
    /// The agents' side.
    pub agents: AgentHub,
    /// Seals and signs the audit log.
    pub audit: Arc<service::audit::AuditLog>,
    /// Open event streams.
    pub streams: service::event::Streams,
    /// The process ends.
    pub shutdown: tokio_util::sync::CancellationToken,
}
