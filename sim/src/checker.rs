//! Coming to rest: every invariant of `iroko_store::invariant`, over the database and all simulated hosts.

use crate::cloud::Cloud;
use crate::host::SimHost;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use iroko_lab::wait::until;
use iroko_store::Store;
use iroko_store::invariant::violations;
use std::time::Duration;

/// From the last disturbance until everything is at rest: longer than any back-off of any daemon.
pub const REST: Duration = Duration::from_secs(90);
/// Violations told, of many.
const TOLD: usize = 12;

/// Ends all faults and waits until nothing is wrong and nothing is under way; else says what is.
pub async fn settle(cloud: &mut Cloud, hosts: &[SimHost]) -> Result<()> {
    hosts.iter().for_each(|host| host.hardware().mend());
    cloud.until_ready().await?;
    let settled = until("everything is at rest", REST, || async {
        match look(cloud, hosts).await {
            Ok(found) if found.is_empty() => Ok(()),
            Ok(found) => Err(format!("{} violations\n{}", found.len(), found[..found.len().min(TOLD)].join("\n"))),
            Err(error) => Err(format!("{error:#}")),
        }
    });
    settled.await.map_err(|error| error.context(cloud.logs()))?;
    for host in hosts {
        let overlaps = host.hardware().hypervisor.overlaps();
        ensure!(overlaps == 0, "{}: {overlaps} calls on a machine that another call was at work on", host.name());
    }
    Ok(())
}

/// What is wrong now.
pub async fn look(cloud: &Cloud, hosts: &[SimHost]) -> Result<Vec<String>> {
    let traces = try_join_all(hosts.iter().map(SimHost::traces)).await?;
    // A connection of its own each time: the database may have been killed since the last look.
    let store = Store::connect(&cloud.database_url, 1).await?;
    let mut tx = store.begin().await?;
    Ok(violations(&mut tx, &traces).await?)
}
