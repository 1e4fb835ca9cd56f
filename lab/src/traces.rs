//! What is on a host, as the host itself says: what the checker compares with the database.

use crate::host::Host;
use crate::lab::Lab;
use crate::rest::text;
use crate::wait::until;
use anyhow::{Context, Result, anyhow};
use iroko_store::Store;
use iroko_store::invariant::{HostTraces, violations};
use std::fs;
use std::time::Duration;

/// From the end of what was asked for until everything is at rest.
const REST: Duration = Duration::from_secs(90);

/// Looks at a host.
pub async fn of(lab: &Lab, host: &Host) -> Result<HostTraces> {
    let known = lab.rest.get(&format!("/v1/system/hosts?name={}", host.name())).await?;
    let host_id = text(&known, "/items/0/id")?.parse().map_err(|error| anyhow!("{error}"))?;
    let named = |state: &'static str| async move {
        let listed = host.run(&["virsh", "-q", "list", "--name", state]).await?;
        let ids = listed.lines().filter_map(|name| name.trim().strip_prefix("ik-")?.parse().ok());
        Ok::<Vec<_>, anyhow::Error>(ids.collect())
    };
    let (active, inactive) = (named("--state-running").await?, named("--inactive").await?);
    let domains = active.into_iter().map(|id| (id, true)).chain(inactive.into_iter().map(|id| (id, false))).collect();
    let files = fs::read_dir(host.compute_dir().join("instances")).context("the host keeps no machines")?;
    let disks = files.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let devices = host.run(&["ls", "/sys/class/net"]).await?;
    let taps = devices.split_whitespace().filter(|name| name.starts_with("ikt")).map(str::to_owned).collect();
    let vni = |name: &str| u32::from_str_radix(name.strip_prefix("ikbr")?, 16).ok();
    let networks = devices.split_whitespace().filter_map(vni).collect();
    Ok(HostTraces { host_id, domains, disks, taps, networks, groups: None })
}

/// Waits until every invariant holds, on all hosts and in the database; else says which do not.
pub async fn settled(lab: &Lab) -> Result<()> {
    until("everything is at rest", REST, || async {
        match look(lab).await {
            Ok(found) if found.is_empty() => Ok(()),
            Ok(found) => Err(found.join("\n")),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
}

async fn look(lab: &Lab) -> Result<Vec<String>> {
    let mut hosts = Vec::with_capacity(lab.hosts.len());
    for host in &lab.hosts {
        hosts.push(of(lab, host).await?);
    }
    // A connection of its own each time: the database may have been killed since the last look.
    let store = Store::connect(&lab.database_url(), 1).await?;
    let mut tx = store.begin().await?;
    Ok(violations(&mut tx, &hosts).await?)
}
