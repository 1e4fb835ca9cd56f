//! The API's configuration file; see `api/config.example.toml`.

use iroko_agent_hub::config::AgentLinkConfig;
use iroko_identity::auth::config::{AuthConfig, BootstrapConfig};
use iroko_web::connection::ConnectionConfig;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the REST API listens. Plain HTTP: a reverse proxy in front speaks TLS to the world.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where the metrics are read, `GET /metrics`, over plain HTTP and without a token; nowhere unless it is set.
    #[serde(default)]
    pub metrics_listen: Option<SocketAddr>,
    /// The database, `postgres://user@host/iroko`.
    pub database_url: String,
    /// Most connections to it.
    #[serde(default = "default_connections")]
    pub database_connections: u32,
    /// Directory of the keys and of the images. Several API processes share it.
    pub state_dir: PathBuf,
    /// The agents' side.
    pub agent_link: AgentLinkConfig,
    /// What is made in an empty database.
    pub bootstrap: BootstrapConfig,
    /// Log-in, sessions and keys.
    #[serde(default)]
    pub auth: AuthConfig,
    /// How often one caller may ask.
    #[serde(default)]
    pub rate: iroko_identity::layers::rate::RateConfig,
    /// Name of the audit log, in its checkpoints: unique among the clouds that an auditor knows.
    #[serde(default = "default_audit_log_name")]
    pub audit_log_name: String,
    /// Tenant networks.
    #[serde(default)]
    pub network: NetworkConfig,
    /// Images.
    #[serde(default)]
    pub image: ImageConfig,
    /// Event streams.
    #[serde(default)]
    pub event: EventConfig,
    /// Connections of clients.
    #[serde(default)]
    pub connection: ConnectionConfig,
}

/// `[network]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// MTU of the underlay between the hosts. Guests get 50 less, the size of the VXLAN headers.
    pub underlay_mtu: i32,
    /// Smallest VNI given to a network.
    pub vni_first: u32,
    /// Largest VNI given to a network.
    pub vni_last: u32,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { underlay_mtu: 1500, vni_first: 4096, vni_last: iroko_model::Vni::MAX }
    }
}

/// `[event]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventConfig {
    /// Most event streams open at the same time in this process.
    pub streams: u32,
    /// Most of one user or service account.
    pub streams_per_caller: u32,
    /// Most of one project.
    pub streams_per_project: u32,
    /// Most of one organization, and of the system.
    pub streams_per_organization: u32,
}

impl Default for EventConfig {
    fn default() -> Self {
        Self { streams: 1000, streams_per_caller: 16, streams_per_project: 64, streams_per_organization: 64 }
    }
}

/// `[image]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Largest upload in GiB.
    pub max_gib: u64,
}

impl Default for ImageConfig {
    fn default() -> Self {
        Self { max_gib: 100 }
    }
}

fn default_audit_log_name() -> String {
    "iroko/audit".to_owned()
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

const fn default_connections() -> u32 {
    16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_right() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
        iroko_daemon::load::<Config>(&path, "iroko-api").unwrap();
    }
}
