//! Kills everything that can be killed, by the hundred, while a tenant works; then looks whether any
//! machine, address, capacity, tap, disk or domain is lost or doubled.
//!
//! `IROKO_CHAOS_SEED` replays the choices of an earlier run (not its timing), `IROKO_CHAOS_KILLS` sets
//! how many blows there are.
#![allow(clippy::unwrap_used, reason = "a test")]

mod blow;
mod workload;
mod world;

use anyhow::{Context, Result};
use blow::Blow;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use world::World;

/// Blows in all, and between two looks at the invariants.
const BLOWS: u32 = 200;
const BLOWS_IN_A_ROW: u32 = 50;
/// Longest time from one blow to the next. Where in what is under way a blow falls is left to chance.
const GAP_MAX: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread")]
async fn every_machine_ends_running_or_deleted_exactly_once() {
    let seed = number("IROKO_CHAOS_SEED").unwrap_or_else(rand::random);
    let blows = number("IROKO_CHAOS_KILLS").map_or(BLOWS, |n| u32::try_from(n).unwrap());
    println!("IROKO_CHAOS_SEED={seed} IROKO_CHAOS_KILLS={blows}");
    if let Err(error) = chaos(StdRng::seed_from_u64(seed), blows).await {
        panic!("with IROKO_CHAOS_SEED={seed} IROKO_CHAOS_KILLS={blows}: {error:#}");
    }
}

async fn chaos(mut rng: StdRng, blows: u32) -> Result<()> {
    let mut world = World::start().await?;
    let mut tally = BTreeMap::<String, u32>::new();
    let (began, mut left) = (Instant::now(), blows);
    while left > 0 {
        let row = left.min(BLOWS_IN_A_ROW);
        left -= row;
        let work = world.work(rng.random());
        for _ in 0..row {
            tokio::time::sleep(GAP_MAX.mul_f64(rng.random())).await;
            let blow = Blow::any(&mut rng, world.hosts.len());
            *tally.entry(blow.name()).or_default() += 1;
            blow.strike(&mut world).await.with_context(|| format!("{blow:?}"))?;
        }
        let asked = work.end().await?;
        let from = Instant::now();
        world.settle().await?;
        let (now, rest) = (began.elapsed().as_secs_f64(), from.elapsed().as_secs_f64());
        println!("{now:>6.1} s: {left} blows left; {asked}; at rest after {rest:.1} s");
        world.comes_to_what_was_wanted(rng.random()).await?;
    }
    println!("{tally:?}");
    world.delete_all().await?;
    println!("{:>6.1} s: all deleted, nothing left", began.elapsed().as_secs_f64());
    Ok(())
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}
