//! `iroko-sim`: simulated hosts for a control plane, over the real agent link.

use anyhow::{Context, Result};
use clap::Parser;
use iroko_lab::Rest;
use iroko_lab::rest::text;
use iroko_model::Resources;
use iroko_sim::Host;
use iroko_sim::host::Settings;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Runs simulated hosts until it is interrupted.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// URL of the REST API.
    #[arg(long, env = "IROKO_ENDPOINT")]
    endpoint: String,
    /// An operator, who makes the enrolment tokens.
    #[arg(long, env = "IROKO_USERNAME", default_value = "admin")]
    username: String,
    /// The operator's password.
    #[arg(long, env = "IROKO_PASSWORD")]
    password: String,
    /// URL of the agent link.
    #[arg(long)]
    agent_link: String,
    /// Hosts.
    #[arg(long, default_value_t = 10)]
    hosts: u16,
    /// Virtual processors of each.
    #[arg(long, default_value_t = 64)]
    vcpus: u64,
    /// Memory of each, MiB.
    #[arg(long, default_value_t = 262_144)]
    memory_mib: u64,
    /// Disk of each, GiB.
    #[arg(long, default_value_t = 4000)]
    disk_gib: u64,
    /// Milliseconds of each change of a domain or of the kernel.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Milliseconds of making a disk.
    #[arg(long, default_value_t = 0)]
    disk_latency_ms: u64,
    /// Where the agents keep identities and desired states. Unset: nowhere; their hosts are new at every start.
    #[arg(long)]
    state_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("warn").with_ansi(false).init();
    let rest = Rest::new(&args.endpoint, &args.username, &args.password)?;
    let settings = Settings {
        control_plane: args.agent_link,
        state_dir: args.state_dir,
        capacity: Resources { vcpus: args.vcpus, memory_mib: args.memory_mib, disk_gib: args.disk_gib },
        latency: Duration::from_millis(args.latency_ms),
        disk_latency: Duration::from_millis(args.disk_latency_ms),
    };
    let mut hosts = Vec::with_capacity(usize::from(args.hosts));
    for number in 1..=args.hosts {
        let request = json!({"host_name": format!("sim-{number}"), "valid_s": 3600});
        let token = rest.post("/v1/system/enrolment-tokens", &request).await?;
        hosts.push(Host::new(number, text(&token, "/token")?, settings.clone()));
    }
    tokio::signal::ctrl_c().await.context("waiting for the end")?;
    Ok(())
}
