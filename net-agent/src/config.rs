//! The agent's configuration. `config.example.toml` is this, with every default written out.

use crate::dhcp;
use crate::flows;
use crate::host_facts::HostFacts;
use crate::underlay::{self, Underlay, UnderlayError};
use iroko_model::HostId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// How the agent behaves on this host. Unknown fields are refused, so that a misspelt one is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Underlay address of this host's VXLAN end. Unset: the first global address of
    /// `underlay_device`.
    pub vtep: Option<IpAddr>,
    /// The device that carries the underlay. Unset: the one that has the address `vtep`. One of
    /// the two must be set.
    pub underlay_device: Option<String>,
    /// MTU of the underlay. Unset: that of the underlay device.
    pub underlay_mtu: Option<u32>,
    /// Seconds between two full comparisons with the kernel, which mend what was broken by hand.
    pub verify_period_s: u64,
    /// Seconds between two readings of what ports and rules counted, which are told to the control plane.
    pub statistics_period_s: u64,
    /// User id that may open the taps (that of the QEMU processes). Unset: root alone.
    pub tap_owner_uid: Option<u32>,
    /// Bandwidth limits of ports are kept by queues (TBF, IFB). False, for kernels without these: what
    /// is over a limit is dropped.
    pub shaping: bool,
    /// Most flows (entries of the host's table of connections) that a port may have at a time that it began, and
    /// as many that others began to it. Less where the table is too small for all ports.
    pub flows_per_port: u32,
    /// Most flows of a port that may begin in a second, each way.
    pub new_flows_per_port_s: u32,
    /// Entries of the host's table of connections (`net.netfilter.nf_conntrack_max`) that ports leave to the host.
    pub flows_kept_for_host: u32,
    /// The dnsmasq program; 2.85 or newer.
    pub dnsmasq: PathBuf,
    /// The nft program; 1.0.6 or newer.
    pub nft: PathBuf,
    /// Files that a reboot clears: dnsmasq's configuration and pid files, the tables as read back.
    pub run_dir: PathBuf,
    /// Files that survive: the last desired state, the agent's certificate. Used by `main`.
    pub state_dir: PathBuf,
    /// Marks of plugged ports, for the compute-agent of this host.
    pub ready_ports_dir: PathBuf,
    /// Where named network namespaces are; `ip netns exec` expects them here.
    pub netns_dir: PathBuf,
    /// Lifetime of DHCP leases, in seconds; at least 120. Addresses never change, so this bounds
    /// only how soon a guest learns of new resolvers.
    pub lease_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vtep: None,
            underlay_device: None,
            underlay_mtu: None,
            verify_period_s: 30,
            statistics_period_s: 30,
            tap_owner_uid: None,
            shaping: true,
            flows_per_port: 8192,
            new_flows_per_port_s: 1000,
            flows_kept_for_host: 32_768,
            dnsmasq: "/usr/sbin/dnsmasq".into(),
            nft: "/usr/sbin/nft".into(),
            run_dir: "/run/iroko/net-agent".into(),
            state_dir: "/var/lib/iroko/net-agent".into(),
            ready_ports_dir: "/run/iroko/ports".into(),
            netns_dir: "/run/netns".into(),
            lease_s: 3600,
        }
    }
}

impl Config {
    /// The host's underlay address and MTU, for the session request.
    ///
    /// # Errors
    /// Where neither address nor device is configured, or the host does not have them.
    pub fn underlay(&self) -> Result<Underlay, UnderlayError> {
        underlay::find(self.vtep, self.underlay_device.as_deref(), self.underlay_mtu)
    }

    /// What of this host shapes its wanted state.
    ///
    /// # Errors
    /// As [`Self::underlay`].
    pub fn facts(&self, host_id: HostId) -> Result<HostFacts, UnderlayError> {
        let vtep = match self.vtep {
            Some(vtep) => vtep,
            None => self.underlay()?.vtep,
        };
        let (tap_owner, shaping) = (self.tap_owner_uid, self.shaping);
        Ok(HostFacts { host_id, vtep, tap_owner, shaping, dhcp: self.dhcp(), flows: self.flows() })
    }

    fn flows(&self) -> flows::Settings {
        flows::Settings {
            table: flows::table(),
            kept_for_host: self.flows_kept_for_host,
            most: self.flows_per_port,
            per_second: self.new_flows_per_port_s,
        }
    }

    fn dhcp(&self) -> dhcp::Settings {
        dhcp::Settings { run_dir: self.run_dir.clone(), lease_s: self.lease_s.max(120) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Toml};

    #[test]
    fn the_example_is_the_default_written_out() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");
        let parsed: Config = Figment::from(Toml::file_exact(example)).extract_inner("net").unwrap();
        let expected = Config { underlay_device: Some("eth0".into()), ..Config::default() };
        assert_eq!(parsed, expected);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = "underlay_devise = \"eth0\"";
        assert!(Figment::from(Toml::string(text)).extract::<Config>().is_err());
    }
}
