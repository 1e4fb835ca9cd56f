//! `iroko-compute-agent`. With the word `forget-lost-starts`, and nothing else, it does what must be done each
//! time before libvirtd starts, and ends ([`lost_start`]).

use anyhow::Context;
use iroko_agent_link::{LinkConfig, ReadyPorts, start};
use iroko_agent_wire::{AgentKind, SessionRequest};
use iroko_compute_agent::capacity;
use iroko_compute_agent::config::Config;
use iroko_compute_agent::hypervisor::libvirt::{LibvirtHypervisor, lost_start};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The configuration file; see `compute-agent/config.example.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The control plane.
    link: LinkConfig,
    /// The instances.
    #[serde(default)]
    compute: Config,
    /// Where the net-agent marks the ports that are plugged; its `ready_ports_dir`.
    #[serde(default = "default_ready_ports_dir")]
    ready_ports_dir: PathBuf,
}

fn default_ready_ports_dir() -> PathBuf {
    "/run/iroko/ports".into()
}

fn main() -> anyhow::Result<()> {
    if std::env::args().skip(1).eq(["forget-lost-starts"]) {
        for path in lost_start::forget(Path::new(lost_start::STATUS_DIR))? {
            eprintln!(
                "{}: libvirtd was killed while it started this; forgotten, so that it can be started again",
                path.display()
            );
        }
        return Ok(());
    }
    iroko_daemon::run("iroko-compute-agent", |file: File, shutdown| Box::pin(serve(file, shutdown)))
}

async fn serve(file: File, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (architecture, capacity) = capacity::of_host(&file.compute).context("measuring what instances may use")?;
    let session = SessionRequest {
        agent: AgentKind::Compute,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        architecture: Some(architecture),
        capacity: Some(capacity),
        vtep: None,
        underlay_mtu: None,
    };
    let hypervisor = LibvirtHypervisor::start(&file.compute).context("starting the libvirt workers")?;
    let ready = ReadyPorts::in_directory(&file.ready_ports_dir)
        .with_context(|| format!("opening ready_ports_dir {}", file.ready_ports_dir.display()))?;
    let link = start(file.link, session, true, shutdown.clone()).await.context("starting the agent link")?;
    let images = Arc::new(link.link.clone());
    let (desired, reporter) = (link.desired.clone(), link.reporter.clone());
    let hypervisor = Arc::new(hypervisor);
    Box::pin(iroko_compute_agent::run(file.compute, desired, reporter, images, ready, hypervisor, shutdown)).await?;
    link.task.await.context("ending the agent link")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_right() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
        iroko_daemon::load::<File>(&path, "iroko-compute-agent").unwrap();
    }
}
