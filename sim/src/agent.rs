//! The two agents of a simulated host: the real ones over fake hardware, and a way to kill them.
//!
//! An agent as a process is a thread with a runtime of its own. Killing it drops the runtime: every
//! task and connection of the agent ends where it stands, nothing is said or finished any more. That
//! is what `kill -9` does to a process, at the granularity of the agent's own waits.

use crate::hardware::Hardware;
use anyhow::{Context, Result};
use iroko_agent_link::{LinkConfig, start};
use iroko_agent_wire::{AgentKind, SessionRequest};
use iroko_compute_agent::capacity;
use iroko_model::{HostId, Resources};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// What an agent is started with; the same each time.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL of the control plane's agent link.
    pub control_plane: String,
    /// Name of the host.
    pub host_name: String,
    /// Token to enrol with.
    pub token: String,
    /// Where identity and last desired state are kept; `None`: nowhere, the agent enrols at each start.
    pub state_dir: Option<PathBuf>,
    /// What machines may use of the host.
    pub capacity: Resources,
    /// Its address on the underlay.
    pub vtep: IpAddr,
    /// The compute-agent's own settings.
    pub compute: iroko_compute_agent::Config,
    /// Seconds between two full comparisons of the network.
    pub verify_period_s: u64,
}

/// A host's agents need this in common.
#[derive(Debug, Clone)]
pub struct Place {
    /// What both are started with.
    pub settings: Settings,
    /// What they work on.
    pub hardware: Hardware,
    /// Set by the first agent that has enrolled.
    pub host_id: Arc<OnceLock<HostId>>,
}

impl Place {
    fn link(&self, kind: AgentKind) -> (LinkConfig, bool) {
        let settings = &self.settings;
        let state_dir = settings.state_dir.as_ref().map(|dir| dir.join(kind.as_str()));
        let persistent = state_dir.is_some();
        let config = LinkConfig {
            control_plane: settings.control_plane.clone(),
            host_name: settings.host_name.clone(),
            state_dir: state_dir.unwrap_or_default(),
            enrolment_token: Some(settings.token.clone()),
        };
        (config, persistent)
    }

    /// The compute-agent, until `shutdown`.
    pub async fn compute(self, shutdown: CancellationToken) -> Result<()> {
        let session = SessionRequest {
            agent: AgentKind::Compute,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: Some(capacity::architecture()?),
            capacity: Some(self.settings.capacity),
            vtep: None,
            underlay_mtu: None,
        };
        let (config, persistent) = self.link(AgentKind::Compute);
        let link = Box::pin(start(config, session, persistent, shutdown.clone())).await?;
        let _ = self.host_id.set(link.identity.host_id);
        let Hardware { hypervisor, storage, ready, .. } = self.hardware;
        let agent = iroko_compute_agent::run_with(
            self.settings.compute,
            link.desired,
            link.reporter,
            storage,
            ready,
            hypervisor,
            shutdown,
        );
        Box::pin(agent).await?;
        link.task.await.context("ending the compute-agent's link")
    }

    /// The net-agent, until `shutdown`.
    pub async fn net(self, shutdown: CancellationToken) -> Result<()> {
        let session = SessionRequest {
            agent: AgentKind::Net,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: None,
            capacity: None,
            vtep: Some(self.settings.vtep),
            underlay_mtu: Some(1500),
        };
        let (config, persistent) = self.link(AgentKind::Net);
        let link = Box::pin(start(config, session, persistent, shutdown.clone())).await?;
        let host_id = link.identity.host_id;
        let _ = self.host_id.set(host_id);
        let config = iroko_net_agent::Config {
            vtep: Some(self.settings.vtep),
            verify_period_s: self.settings.verify_period_s,
            ..Default::default()
        };
        *self.hardware.held.lock().unwrap_or_else(PoisonError::into_inner) = link.desired.clone();
        let kernel = Arc::new(self.hardware.kernel);
        let agent =
            iroko_net_agent::run(config, host_id, link.desired, link.reporter, self.hardware.ready, kernel, shutdown);
        Box::pin(agent).await?;
        link.task.await.context("ending the net-agent's link")
    }

    /// Runs one of the agents as a process.
    pub fn spawn(&self, kind: AgentKind) -> Result<Process> {
        let place = self.clone();
        Process::spawn(format!("{} of {}", kind.as_str(), self.settings.host_name), move || async move {
            match kind {
                AgentKind::Compute => place.compute(CancellationToken::new()).await,
                AgentKind::Net => place.net(CancellationToken::new()).await,
            }
        })
    }
}

/// An agent that runs. Ends with its handle.
#[derive(Debug)]
pub struct Process {
    kill: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

impl Process {
    fn spawn<F: Future<Output = Result<()>>>(name: String, main: impl FnOnce() -> F + Send + 'static) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (kill, killed) = oneshot::channel();
        let (last, gone) = oneshot::channel();
        let live = move || {
            runtime.block_on(async {
                tokio::select! {
                    // Both an order and a lost handle end it.
                    _ = killed => {}
                    ended = Box::pin(main()) => tracing::error!("{name} ended by itself: {ended:?}"),
                }
            });
            drop(runtime);
            let _ = last.send(());
        };
        std::thread::Builder::new().name("agent".to_owned()).spawn(live)?;
        Ok(Self { kill, gone })
    }

    /// As `kill -9`; when this returns nothing of it is left.
    pub async fn kill(self) {
        drop(self.kill);
        let _ = self.gone.await;
    }
}
