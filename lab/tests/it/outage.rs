//! What goes on without the control plane, and what comes back after a power cut.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Result, ensure};
use iroko_lab::traces::settled;
use iroko_lab::{Lab, Tenant};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const REACHABLE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn guests_talk_and_hosts_reboot_without_the_control_plane() {
    needs_lab!();
    let fixture = Fixture::new(2).await;
    fixture.run(scenario(&fixture.lab)).await;
}

async fn scenario(lab: &Lab) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("archives", "10.31.0.0/24").await?;
    let (a, b) = (tenant.create("alpha", &network).await?, tenant.create("beta", &network).await?);
    let (alpha, beta) = (tenant.guest(lab, &a).await?, tenant.guest(lab, &b).await?);
    alpha.until_up().await?;
    beta.until_up().await?;
    for daemon in ["api", "scheduler", "postgres"] {
        lab.hold(daemon).await?;
    }

    // Without it guests talk, also by connections and names that are new.
    alpha.must(&format!("ping -c 3 -W 2 {}", beta.ip)).await?;
    ensure!(beta.must("wget -q -O - http://alpha.internal/").await? == "alpha");

    // Without it agents that start anew leave what is right as it is.
    for host in &lab.hosts {
        host.kill("net-agent").await?;
        host.kill("compute-agent").await?;
    }
    alpha.must(&format!("ping -c 3 -W 2 {}", beta.ip)).await?;

    // Without it a host that lost power comes back with its machines, under their addresses and names.
    alpha.host.reboot().await?;
    alpha.until_up().await?;
    ensure!(alpha.must("hostname").await? == "alpha");
    alpha.until(&format!("ping -c 2 -W 2 {}", beta.ip), SOON).await?;
    beta.until("wget -q -O - http://alpha.internal/", SOON).await?;

    for daemon in ["postgres", "api", "scheduler"] {
        lab.release(daemon)?;
    }
    lab.until_reachable(REACHABLE).await?;
    for id in [&a, &b] {
        tenant.until(id, "running").await?;
    }
    // And what the tenant asks for is done again.
    let c = tenant.create("gamma", &network).await?;
    let gamma = tenant.guest(lab, &c).await?;
    gamma.until_up().await?;
    gamma.until(&format!("ping -c 2 -W 2 {}", alpha.ip), SOON).await?;
    settled(lab).await
}
