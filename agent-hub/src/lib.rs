//! The control plane's side of the agent link: an authority that signs agents' certificates, a hub
//! that agents watch, an intake for their reports, and the routes in front of them.
//!
//! What it refuses: to know a tenant, a role or a noun of the API. It reads what hosts need from the store and takes what
//! they say into it; the API starts it and hears nothing of it.

mod address_set;
pub mod authority;
mod batch;
mod caller;
mod certificates;
mod checked;
pub mod config;
mod connection_log;
mod graph;
mod hub;
mod instance;
mod intake;
mod kind;
mod member;
mod need_cache;
mod network;
mod peer;
mod port;
mod ring;
mod routes;
mod security_group;
mod state;
mod statistics;
mod tls;
mod token;
mod turns;

pub use routes::router;
pub use state::{AgentHub, ImageFiles, StartError};
pub use tls::{TlsError, server_config};
pub use token::token_hash;
