//! DHCP, DNS and router advertisements: one dnsmasq for each network on each host.
//!
//! It runs in the network's service namespace and answers the instances of this host alone: the
//! packet filter keeps its cable apart from the tunnel. Its configuration is a pure function of the
//! network ([`config`]); what it knows of instances stands in one small file a port, in two
//! directories that it reads again on SIGHUP. So a port that comes or goes costs one file.
//!
//! Leases are not kept on disk: every address is a reservation, so a lease says nothing that the
//! reservations do not, and a server that starts anew confirms what guests hold
//! (`dhcp-authoritative`). What dnsmasq's inotify would watch is not used: it takes one inotify
//! instance a process, and a host has 128 for all its networks.

mod files;
mod process;
pub mod relay;

pub use files::Files;
pub use process::Dnsmasq;

use iroko_agent_wire::{NetworkSpec, PortSpec, SubnetSpec};
use iroko_model::Vni;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// How the servers of a host behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where their files are.
    pub run_dir: PathBuf,
    /// Lifetime of leases in seconds.
    pub lease_s: u32,
}

/// Why a server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    /// A file of it.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// It could not be started.
    #[error("dnsmasq could not be run")]
    Run(#[source] io::Error),
    /// It did not like its configuration, or its address.
    #[error("dnsmasq gave up: {0}")]
    Refused(String),
    /// It does not end.
    #[error("dnsmasq with process id {0} does not end")]
    Stuck(i32),
    /// Its namespace cannot be entered.
    #[error("the service namespace cannot be entered")]
    Namespace(#[source] crate::link::LinkError),
}

/// The directory of a network's server.
pub fn directory(run_dir: &Path, vni: Vni) -> PathBuf {
    run_dir.join(format!("dnsmasq/{:06x}", vni.get()))
}

/// The configuration of a network's server. `asked`: whom it asks what it does not know ([`relay`]).
pub fn config(network: &NetworkSpec, asked: &BTreeSet<IpAddr>, settings: &Settings) -> String {
    let dir = directory(&settings.run_dir, network.vni);
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all text");
    line(format!("# {} of network {}", crate::object::namespace(network.vni), network.id));
    line(format!("interface={}", crate::object::service_device(network.vni)));
    ["except-interface=lo", "bind-interfaces", "no-resolv", "no-poll", "no-hosts", "domain-needed", "expand-hosts"]
        .iter()
        .for_each(|option| line((*option).to_owned()));
    line(format!("domain={0}\nlocal=/{0}/", network.domain));
    asked.iter().for_each(|server| line(format!("server={server}")));
    line(format!("addn-hosts={}", dir.join("names").display()));
    line(format!("dhcp-hostsfile={}", dir.join("reservations").display()));
    line(format!("pid-file={}", dir.join("pid").display()));
    line(format!("log-facility={}", dir.join("log").display()));
    ["dhcp-authoritative", "leasefile-ro", "no-ping", "quiet-dhcp", "quiet-dhcp6", "quiet-ra"]
        .iter()
        .for_each(|option| line((*option).to_owned()));
    line("dhcp-lease-max=65536".to_owned());
    line(format!("dhcp-option=option:mtu,{}", network.mtu));
    for (index, subnet) in network.subnets.iter().enumerate() {
        subnet_lines(&format!("s{index}"), subnet, settings.lease_s).into_iter().for_each(&mut line);
    }
    if network.subnets.iter().any(|subnet| subnet.cidr.is_ipv6()) {
        // Lifetime 0: the service is no router, whatever the advertisement is called.
        let device = crate::object::service_device(network.vni);
        line(format!("enable-ra\nra-param={device},mtu:{},60,0", network.mtu));
    }
    text
}

fn subnet_lines(tag: &str, subnet: &SubnetSpec, lease_s: u32) -> Vec<String> {
    let resolver = subnet.service;
    match subnet.cidr {
        ipnetwork::IpNetwork::V4(range) => {
            let mut lines = vec![
                format!("dhcp-range=set:{tag},{},static,{},{lease_s}", range.network(), range.mask()),
                format!("dhcp-option=tag:{tag},option:dns-server,{resolver}"),
            ];
            match subnet.gateway {
                Some(gateway) => {
                    lines.push(format!("dhcp-option=tag:{tag},option:router,{gateway}"));
                    // Clients that know classless routes (RFC 3442) take this one and ignore the other.
                    lines.push(format!("dhcp-option=tag:{tag},option:classless-static-route,0.0.0.0/0,{gateway}"));
                }
                // Without this line dnsmasq would name itself as the router.
                None => lines.push(format!("dhcp-option=tag:{tag},option:router")),
            }
            lines
        }
        ipnetwork::IpNetwork::V6(range) => vec![
            format!("dhcp-range=set:{tag},{},static,{},{lease_s}", range.network(), range.prefix()),
            format!("dhcp-option=tag:{tag},option6:dns-server,[{resolver}]"),
        ],
    }
}

/// The reservation of a local instance: its addresses and its name, with the domain: dnsmasq reads a name without one
/// as an order or a time where it looks like one (`ignore`, `infinite`, `12h`, `90`).
pub fn reservation(port: &PortSpec, domain: &str) -> String {
    let mut parts = vec![port.mac.to_string()];
    parts.extend(port.addresses.iter().map(|ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }));
    parts.push(format!("{}.{domain}", port.hostname));
    parts.join(",") + "\n"
}

/// The names of an instance of the network, wherever it is. The server adds the domain.
pub fn host_record(addresses: &[IpAddr], hostname: &str) -> String {
    addresses.iter().map(|ip| format!("{ip} {hostname}\n")).collect()
}

#[cfg(test)]
mod tests;
