//! `iroko-net-agent`.

use anyhow::Context;
use iroko_agent_link::{LinkConfig, ReadyPorts, start};
use iroko_agent_wire::{AgentKind, SessionRequest};
use iroko_net_agent::config::Config;
use iroko_net_agent::connection_log::Records;
use iroko_net_agent::linux::Linux;
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The configuration file; see `net-agent/config.example.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The control plane.
    link: LinkConfig,
    /// The networks.
    #[serde(default)]
    net: Config,
}

fn main() -> anyhow::Result<()> {
    iroko_daemon::run("iroko-net-agent", |file: File, shutdown| Box::pin(serve(file, shutdown)))
}

async fn serve(file: File, shutdown: CancellationToken) -> anyhow::Result<()> {
    let underlay = file.net.underlay().context("finding the underlay (net.vtep, net.underlay_device)")?;
    let session = SessionRequest {
        agent: AgentKind::Net,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        architecture: None,
        capacity: None,
        vtep: Some(underlay.vtep),
        underlay_mtu: Some(underlay.mtu),
    };
    let kernel = Arc::new(Linux::open(&file.net).context("talking to the kernel")?);
    let ready = ReadyPorts::in_directory(&file.net.ready_ports_dir)
        .with_context(|| format!("opening net.ready_ports_dir {}", file.net.ready_ports_dir.display()))?;
    let link = start(file.link, session, true, shutdown.clone()).await.context("starting the agent link")?;
    let (host_id, desired, reporter) = (link.identity.host_id, link.desired.clone(), link.reporter.clone());
    let records = Records::default();
    let counting = iroko_net_agent::statistics::run(
        file.net.clone(),
        desired.clone(),
        link.link.clone(),
        kernel.clone(),
        records.clone(),
        shutdown.clone(),
    );
    let recording = iroko_net_agent::connection_log::run(desired.clone(), link.link.clone(), records, shutdown.clone());
    let aside = [tokio::spawn(counting), tokio::spawn(recording)];
    Box::pin(iroko_net_agent::run(file.net, host_id, desired, reporter, ready, kernel, shutdown)).await?;
    for task in aside {
        task.await.context("ending the statistics and the log of connections")?;
    }
    link.task.await.context("ending the agent link")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_right() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
        iroko_daemon::load::<File>(&path, "iroko-net-agent").unwrap();
    }
}
