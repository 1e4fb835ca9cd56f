//! The `[agent_link]` table of the API's configuration file.

use iroko_web::connection::ConnectionConfig;
use serde::Deserialize;
use std::net::SocketAddr;

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
    /// Connections of agents. A whole site may come from one address.
    #[serde(default = "ConnectionConfig::of_agents")]
    pub connection: ConnectionConfig,
    /// Most that a host is believed to have.
    #[serde(default)]
    pub host_most: HostCeiling,
}

/// `[agent_link.host_most]`: what a host says of itself counts up to here, so that one that was broken into does not
/// draw everybody's instances.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostCeiling {
    /// Virtual processors that instances may use.
    pub vcpus: u64,
    /// Memory that instances may use.
    pub memory_gib: u64,
    /// Disk that instances may use.
    pub disk_gib: u64,
}

impl Default for HostCeiling {
    fn default() -> Self {
        Self { vcpus: 4096, memory_gib: 32 * 1024, disk_gib: 1024 * 1024 }
    }
}

fn default_agent_listen() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 8444))
}

const fn default_lease_s() -> u64 {
    iroko_store::LEASE_S
}

const fn default_certificate_days() -> i64 {
    30
}
