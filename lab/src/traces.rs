//! What is on a host, as the host itself says: what the checker compares with the database.

use crate::host::Host;
use anyhow::{Context, Result};
use std::fs;

/// Everything on a host that belongs to a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Domains by instance id, and whether each is active.
    pub domains: Vec<(String, bool)>,
    /// Instances that hold any file.
    pub disks: Vec<String>,
    /// Taps by name.
    pub taps: Vec<String>,
    /// VNIs of bridges.
    pub networks: Vec<u32>,
}

/// Looks at a host.
pub async fn of(host: &Host) -> Result<Traces> {
    let named = |state: &'static str| async move {
        let listed = host.run(&["virsh", "-q", "list", "--name", state]).await?;
        Ok::<_, anyhow::Error>(
            listed.lines().filter_map(|name| name.trim().strip_prefix("ik-")).map(str::to_owned).collect::<Vec<_>>(),
        )
    };
    let (active, inactive) = (named("--state-running").await?, named("--inactive").await?);
    let domains = active.into_iter().map(|id| (id, true)).chain(inactive.into_iter().map(|id| (id, false))).collect();
    let files = fs::read_dir(host.compute_dir().join("instances")).context("the host keeps no machines")?;
    let disks = files.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let devices = host.run(&["sh", "-c", "ls /sys/class/net"]).await?;
    let taps = devices.split_whitespace().filter(|name| name.starts_with("ikt")).map(str::to_owned).collect();
    let vni = |name: &str| u32::from_str_radix(name.strip_prefix("ikbr")?, 16).ok();
    let networks = devices.split_whitespace().filter_map(vni).collect();
    Ok(Traces { domains, disks, taps, networks })
}
