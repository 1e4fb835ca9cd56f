//! Measures the control plane and prints a table in Markdown, nothing else.
//!
//! A PostgreSQL cluster, API, scheduler and simulated hosts start in a temporary directory, in the
//! release build; a tenant asks for machines with 1, 8 and 32 requests at a time over connections that
//! are kept alive. Everything, the client and the hosts included, shares this machine's processors:
//! the table says how much each part took.

mod load;
mod process;
mod reads;
mod statements;
mod summary;
mod times;

use anyhow::{Context, Result};
use clap::Parser;
use iroko_sim::{Cloud, Tenant};
use load::Load;
use process::{Part, Usage};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use times::Times;
use tokio::process::{Child, Command};

/// Machines of one network, so that what a host must know of others stays that of a real tenant.
const PER_NETWORK: usize = 50;
/// How long the cloud is left alone before its memory and processor time at rest are read.
const IDLE: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
#[command(version, about = "Measures the control plane with simulated hosts and prints a table")]
struct Args {
    /// Machines in each round.
    #[arg(long, default_value_t = 1000)]
    machines: usize,
    /// Simulated hosts.
    #[arg(long, default_value_t = 100)]
    hosts: usize,
    /// Requests at the same time, a round each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    concurrency: Vec<usize>,
    /// Reads of one machine, and a tenth as many of a page of 100.
    #[arg(long, default_value_t = 2000)]
    reads: usize,
    /// Count what each statement costs PostgreSQL, and print the dearest; counting has its own price.
    #[arg(long)]
    statements: bool,
    /// Directory of the daemons' programs. Unset: that of this one.
    #[arg(long)]
    programs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let own = std::env::current_exe()?;
    let programs = args.programs.clone().or_else(|| own.parent().map(Path::to_owned)).context("no programs")?;
    let extra = if args.statements { statements::SETTINGS } else { "" };
    let cloud = Cloud::start_with(Some(&programs), extra).await?;
    cloud.rest.log_in().await?;
    let hosts = hosts(&args, &programs, &cloud)?;
    cloud.until_reachable(args.hosts).await?;
    let tenant = Tenant::new(cloud.rest.clone()).await?;
    let mut networks = Vec::new();
    for number in 0..args.machines.div_ceil(PER_NETWORK) {
        let cidr = format!("10.{}.{}.0/24", number / 256, number % 256);
        networks.push(tenant.network(&format!("bench-{number}"), &cidr).await?);
    }
    let parts = parts(&cloud, &hosts)?;
    println!(
        "{} machines on {} simulated hosts, {} networks, {} processors shared by all\n",
        args.machines,
        args.hosts,
        networks.len(),
        std::thread::available_parallelism()?
    );
    let load = Load::new(&tenant, networks).await?;
    idle(&parts).await?;
    let mut last = Vec::new();
    summary::begin_rounds();
    for concurrency in &args.concurrency {
        load.renew_token().await?;
        if args.statements {
            statements::reset(&cloud.database_url)?;
        }
        let before = Usage::of(&parts)?;
        let made = load.create(args.machines, *concurrency).await?;
        let making = Usage::of(&parts)?.since(&before);
        if args.statements {
            statements::print(&cloud.database_url, made.ids.len())?;
        }
        if Some(concurrency) == args.concurrency.last() {
            last = reads(&load, &made.ids, &args).await?;
        }
        let deleted = load.delete(&made.ids, *concurrency).await?;
        summary::round(*concurrency, &made, deleted, &making);
    }
    summary::processors();
    reads::print(&last);
    memory(&parts, "after the rounds")?;
    Ok(())
}

fn hosts(args: &Args, programs: &Path, cloud: &Cloud) -> Result<Child> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(programs.join("iroko-sim"));
    command.args(["--agent-link", &cloud.agent_link, "--api", cloud.rest.base(), "--hosts", &args.hosts.to_string()]);
    command.env("IROKO_PASSWORD", cloud.password()).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().context("starting the simulated hosts")
}

fn parts(cloud: &Cloud, hosts: &Child) -> Result<Vec<Part>> {
    let pid = |pid: Option<u32>, name| pid.with_context(|| format!("{name} has ended"));
    Ok(vec![
        Part::new("API", vec![pid(cloud.api.pid(), "the API")?]),
        Part::new("scheduler", vec![pid(cloud.scheduler.pid(), "the scheduler")?]),
        Part::postgres(cloud.data()),
        Part::new("simulated hosts", vec![pid(hosts.id(), "iroko-sim")?]),
        Part::new("this client", vec![std::process::id()]),
    ])
}

async fn idle(parts: &[Part]) -> Result<()> {
    let before = Usage::of(parts)?;
    tokio::time::sleep(IDLE).await;
    let used = Usage::of(parts)?.since(&before);
    println!("| at rest | memory MiB | processor % |\n| --- | --: | --: |");
    for (part, seconds) in parts.iter().zip(&used.seconds) {
        println!("| {} | {:.0} | {:.1} |", part.name, part.memory_mib()?, 100.0 * seconds / used.elapsed.as_secs_f64());
    }
    println!();
    Ok(())
}

fn memory(parts: &[Part], when: &str) -> Result<()> {
    println!("| {when} | memory MiB |\n| --- | --: |");
    for part in parts {
        println!("| {} | {:.0} |", part.name, part.memory_mib()?);
    }
    Ok(())
}

/// Of one machine and of a page of 100, one request at a time and 8.
async fn reads(load: &Load, ids: &[String], args: &Args) -> Result<Vec<(String, f64, Times)>> {
    let mut rows = Vec::new();
    for concurrency in [1, 8] {
        let (rate, times) = load.read_one(ids, args.reads, concurrency).await?;
        rows.push((format!("GET one, {concurrency} at a time"), rate, times));
        let (rate, times) = load.read_page(args.reads / 10, concurrency).await?;
        rows.push((format!("GET a page of 100, {concurrency} at a time"), rate, times));
    }
    Ok(rows)
}
