//! The control plane's side of the agent link: an authority that signs agents' certificates, a hub
//! that agents watch, an intake for their reports, and the routes in front of them.

mod address_set;
pub mod authority;
mod batch;
mod caller;
pub mod certificates;
mod checked;
mod connection_log;
mod graph;
pub mod hub;
mod instance;
pub mod intake;
mod kind;
mod member;
mod need_cache;
mod network;
mod peer;
mod port;
mod ring;
pub mod routes;
mod security_group;
mod statistics;
mod tls;
pub mod turns;

pub use tls::server_config;

/// Lower case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
