//! `kill -9` of every daemon at many points of create and delete, on real hosts.

use crate::fixture::Fixture;
use crate::needs_lab;
use anyhow::{Context, Result};
use iroko_lab::traces::settled;
use iroko_lab::{Lab, Tenant};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Kills of each daemon during creation, and as many during deletion.
const POINTS: u64 = 3;
/// A creation or deletion is over by then: the moments of the kills are spread over it.
const SPAN_MS: u64 = 2500;
const REACHABLE: Duration = Duration::from_secs(60);
const DAEMONS: [&str; 6] = ["api", "scheduler", "postgres", "net-agent", "compute-agent", "libvirtd"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_daemons_lose_and_double_nothing() {
    needs_lab!();
    let seed = std::env::var("IROKO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("IROKO_SEED={seed} repeats this run");
    let fixture = Fixture::new(2).await;
    fixture.run(scenario(&fixture.lab, StdRng::seed_from_u64(seed))).await;
}

async fn scenario(lab: &Lab, mut random: StdRng) -> Result<()> {
    let tenant = Tenant::new(lab).await?;
    let network = tenant.network("archives", "10.32.0.0/24").await?;
    // Two that nobody touches: they must run through it all, on the domains they had.
    let (a, b) = (tenant.create("alpha", &network).await?, tenant.create("beta", &network).await?);
    let (alpha, beta) = (tenant.guest(lab, &a).await?, tenant.guest(lab, &b).await?);
    alpha.until_up().await?;
    beta.until_up().await?;
    alpha.must("touch /run/untouched").await?;
    for point in 0..POINTS {
        let mut made = Vec::new();
        for daemon in DAEMONS {
            let name = format!("{daemon}-{point}");
            let id = tenant.create(&name, &network).await.context(name)?;
            kill_soon(lab, daemon, point, &mut random).await?;
            made.push(id);
        }
        for id in &made {
            tenant.until(id, "running").await?;
        }
        settled(lab).await.context("after creating")?;
        for (daemon, id) in DAEMONS.into_iter().zip(&made) {
            tenant.delete(id).await?;
            kill_soon(lab, daemon, point, &mut random).await?;
        }
        for id in &made {
            tenant.until(id, "deleted").await?;
        }
        settled(lab).await.context("after deleting")?;
    }
    lab.until_reachable(REACHABLE).await?;
    alpha.must("test -e /run/untouched").await?;
    alpha.must(&format!("ping -c 2 -W 2 {}", beta.ip)).await?;
    Ok(())
}

/// Kills a daemon at a moment of the span's part that belongs to this point; of the hosts' daemons on every host.
async fn kill_soon(lab: &Lab, daemon: &str, point: u64, random: &mut StdRng) -> Result<()> {
    let part = SPAN_MS / POINTS;
    tokio::time::sleep(Duration::from_millis(part * point + random.random_range(0..part))).await;
    if ["api", "scheduler", "postgres"].contains(&daemon) {
        return lab.kill(daemon).await;
    }
    for host in &lab.hosts {
        host.kill(daemon).await?;
    }
    Ok(())
}
