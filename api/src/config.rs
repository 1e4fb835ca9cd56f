//! The API's configuration file; see `api/config.example.toml`.

use crate::auth::config::AuthConfig;
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
    /// Tenant networks.
    #[serde(default)]
    pub network: NetworkConfig,
    /// Images.
    #[serde(default)]
    pub image: ImageConfig,
}

/// `[agent_link]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentLinkConfig {
    /// Where agents connect (mutual TLS).
    #[serde(default = "default_agent_listen")]
    pub listen: SocketAddr,
    /// DNS names and IP addresses by which agents reach it; they go into its certificate.
    pub names: Vec<String>,
    /// Seconds of silence after which a host is unreachable.
    #[serde(default = "default_lease_s")]
    pub lease_s: u64,
    /// Days an agent's certificate holds; it is renewed after two thirds of them.
    #[serde(default = "default_certificate_days")]
    pub certificate_days: i64,
}

/// `[bootstrap]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapConfig {
    /// Name of the first organization.
    #[serde(default = "default_name")]
    pub organization: String,
    /// Name of its project.
    #[serde(default = "default_name")]
    pub project: String,
    /// Log-in name of the first operator.
    #[serde(default = "default_username")]
    pub username: String,
    /// Password of the first operator, 12 characters or more. Used only when the database is empty.
    pub password: String,
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

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_agent_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 8444))
}

const fn default_connections() -> u32 {
    16
}

const fn default_lease_s() -> u64 {
    20
}

const fn default_certificate_days() -> i64 {
    30
}

fn default_name() -> String {
    "default".to_owned()
}

fn default_username() -> String {
    "admin".to_owned()
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
