//! `iroko-sim`: simulated hosts that join a control plane, for benchmarks and for trying things out.
//!
//! The agents are the real ones, over the real link; what they do to the host happens in memory. All
//! hosts live in this process until it is ended, and enrol anew each time it is started.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use iroko_lab::{Rest, rest};
use iroko_model::Resources;
use iroko_sim::agent::{Place, Settings};
use iroko_sim::hardware::{Hardware, Latencies};
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Seconds a token holds: long enough for a thousand hosts to enrol.
const TOKEN_S: u32 = 3600;

#[derive(Debug, Parser)]
#[command(version, about = "Simulated hosts that join a control plane")]
struct Args {
    /// URL of the agent link, `https://control.example:8444`.
    #[arg(long)]
    agent_link: String,
    /// URL of the REST API, to make enrolment tokens with.
    #[arg(long, conflicts_with = "token_file", required_unless_present = "token_file")]
    api: Option<String>,
    /// Log-in name of an operator.
    #[arg(long, default_value = "admin")]
    username: String,
    /// The operator's password.
    #[arg(long, env = "IROKO_PASSWORD", hide_env_values = true, default_value = "")]
    password: String,
    /// File with one enrolment token a line, one for each host, instead of making them.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// How many hosts.
    #[arg(long, default_value_t = 100)]
    hosts: u16,
    /// What the hosts' names begin with.
    #[arg(long, default_value = "sim-")]
    prefix: String,
    /// Virtual processors that each host offers.
    #[arg(long, default_value_t = 64)]
    vcpus: u64,
    /// Memory that each host offers, in MiB.
    #[arg(long, default_value_t = 262_144)]
    memory_mib: u64,
    /// Disk that each host offers, in GiB.
    #[arg(long, default_value_t = 4096)]
    disk_gib: u64,
    /// Milliseconds each change of a domain takes.
    #[arg(long, default_value_t = 0)]
    domain_ms: u64,
    /// Milliseconds making a disk takes.
    #[arg(long, default_value_t = 0)]
    disk_ms: u64,
    /// Milliseconds each change of the network takes.
    #[arg(long, default_value_t = 0)]
    net_ms: u64,
}

fn main() -> Result<()> {
    let filter = EnvFilter::try_from_env("IROKO_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    tokio::runtime::Runtime::new()?.block_on(run(Args::parse()))
}

async fn run(args: Args) -> Result<()> {
    let tokens = tokens(&args).await?;
    let shutdown = CancellationToken::new();
    let mut agents = JoinSet::new();
    for (number, token) in tokens.into_iter().enumerate() {
        join(&args, number, token, &shutdown, &mut agents);
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        Some(ended) = agents.join_next() => bail!("an agent ended: {:?}", ended.context("an agent died")?),
    }
    shutdown.cancel();
    while let Some(ended) = agents.join_next().await {
        ended.context("an agent died")??;
    }
    Ok(())
}

/// Starts both agents of a host.
fn join(args: &Args, number: usize, token: String, shutdown: &CancellationToken, agents: &mut JoinSet<Result<()>>) {
    let ms = Duration::from_millis;
    let latencies = Latencies { domain: ms(args.domain_ms), disk: ms(args.disk_ms), net: ms(args.net_ms) };
    let [high, low] = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let settings = Settings {
        control_plane: args.agent_link.clone(),
        host_name: name(args, number),
        token,
        state_dir: None,
        capacity: Resources { vcpus: args.vcpus, memory_mib: args.memory_mib, disk_gib: args.disk_gib },
        vtep: Ipv4Addr::new(198, 19, high, low).into(),
        compute: iroko_compute_agent::Config::default(),
        verify_period_s: 30,
    };
    let place = Place { settings, hardware: Hardware::new(latencies), host_id: Arc::default() };
    agents.spawn(Box::pin(place.clone().net(shutdown.clone())));
    agents.spawn(Box::pin(place.compute(shutdown.clone())));
}

fn name(args: &Args, number: usize) -> String {
    format!("{}{}", args.prefix, number + 1)
}

async fn tokens(args: &Args) -> Result<Vec<String>> {
    if let Some(file) = &args.token_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let tokens: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        ensure!(tokens.len() >= args.hosts.into(), "{} has fewer tokens than --hosts", file.display());
        return Ok(tokens.into_iter().take(args.hosts.into()).collect());
    }
    let api = args.api.as_deref().context("--api is missing")?;
    let rest = Rest::new(api, &args.username, &args.password)?;
    let mut tokens = Vec::with_capacity(args.hosts.into());
    for number in 0..args.hosts.into() {
        let request = json!({"host_name": name(args, number), "valid_s": TOKEN_S});
        let made = rest.post("/v1/system/enrolment-tokens", &request).await?;
        tokens.push(rest::text(&made, "/token")?.to_owned());
    }
    Ok(tokens)
}
