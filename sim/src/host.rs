//! A simulated host.

use anyhow::{Context, Result};
use iroko_agent_link::agent::{Identity, LinkConfig, ReadyPorts, start};
use iroko_agent_link::wire::{AgentKind, SessionRequest};
use iroko_compute_agent::faults::Faults;
use iroko_compute_agent::hypervisor::DomainState;
use iroko_compute_agent::hypervisor::fake::FakeHypervisor;
use iroko_compute_agent::storage::fake::FakeStorage;
use iroko_compute_agent::{Config as ComputeConfig, run_with};
use iroko_model::{HostId, Resources};
use iroko_net_agent::object::Key;
use iroko_net_agent::{Config as NetConfig, Fake};
use iroko_store::invariant::HostTraces;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a host is and how fast.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL of the agent link.
    pub control_plane: String,
    /// Directory of the agents' identities and last desired states. Unset: they keep nothing, and can
    /// be started once.
    pub state_dir: Option<PathBuf>,
    /// What instances may use of it.
    pub capacity: Resources,
    /// Time of each change of a domain, and of each change of the kernel.
    pub latency: Duration,
    /// Time of making a disk.
    pub disk_latency: Duration,
}

/// What survives the agents: domains, disks, devices, the marks of plugged ports.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// Domains.
    pub hypervisor: Arc<FakeHypervisor>,
    /// Disks, seeds and records.
    pub storage: Arc<FakeStorage>,
    /// Devices, rules and servers.
    pub kernel: Fake,
    /// Faults on purpose of hypervisor and storage.
    pub faults: Arc<Faults>,
    ready: ReadyPorts,
}

impl Hardware {
    fn new(settings: &Settings) -> Self {
        let faults = Arc::new(Faults::default());
        let kernel = Fake::new();
        kernel.set_latency(settings.latency);
        Self {
            hypervisor: Arc::new(FakeHypervisor::with(faults.clone(), settings.latency)),
            storage: Arc::new(FakeStorage::with(faults.clone(), settings.disk_latency)),
            kernel,
            faults,
            ready: ReadyPorts::in_memory(),
        }
    }

    /// Domains are off, devices and marks gone; disks and records stay.
    fn lose_power(&self) -> Result<()> {
        self.hypervisor.reboot_host();
        self.kernel.tamper(|state| state.clear());
        for port in self.ready.all()? {
            self.ready.clear(port)?;
        }
        Ok(())
    }
}

/// An agent that runs.
#[derive(Debug)]
struct Agent {
    link: CancellationToken,
    task: JoinHandle<()>,
}

impl Agent {
    /// As `kill -9`: nothing gets to finish.
    async fn kill(self) {
        self.link.cancel();
        self.task.abort();
        let _ = self.task.await;
    }
}

/// A host with its two agents.
#[derive(Debug)]
pub struct Host {
    name: String,
    number: u16,
    token: String,
    settings: Settings,
    /// What is below the agents.
    pub hardware: Hardware,
    compute: Option<Agent>,
    net: Option<Agent>,
}

impl Host {
    /// A host that is switched on; its agents enrol with `token`, if they have not before.
    pub fn new(number: u16, token: &str, settings: Settings) -> Self {
        let hardware = Hardware::new(&settings);
        let name = format!("sim-{number}");
        let mut host = Self { name, number, token: token.to_owned(), settings, hardware, compute: None, net: None };
        host.start_compute();
        host.start_net();
        host
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn link(&self, agent: &str) -> LinkConfig {
        let state_dir = self.settings.state_dir.clone().unwrap_or_default().join(&self.name).join(agent);
        LinkConfig {
            control_plane: self.settings.control_plane.clone(),
            host_name: self.name.clone(),
            state_dir,
            enrolment_token: Some(self.token.clone()),
        }
    }

    /// Starts the compute-agent.
    pub fn start_compute(&mut self) {
        let (link, persistent) = (self.link("compute"), self.settings.state_dir.is_some());
        let (hardware, end) = (self.hardware.clone(), CancellationToken::new());
        let session = SessionRequest {
            agent: AgentKind::Compute,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: Some(iroko_model::host::Architecture::X86_64),
            capacity: Some(self.settings.capacity),
            vtep: None,
            underlay_mtu: None,
        };
        let ended = end.clone();
        let life = async move {
            let running = start(link, session, persistent, ended).await?;
            let config = ComputeConfig { poll_period_s: 5, ..ComputeConfig::default() };
            let (desired, reporter) = (running.desired, running.reporter);
            let never = CancellationToken::new();
            run_with(config, desired, reporter, hardware.storage, hardware.ready, hardware.hypervisor, never).await?;
            Ok(())
        };
        self.compute = Some(spawn(self.name.clone(), "compute-agent", end, life));
    }

    /// Starts the net-agent.
    pub fn start_net(&mut self) {
        let (link, persistent) = (self.link("net"), self.settings.state_dir.is_some());
        let (hardware, end) = (self.hardware.clone(), CancellationToken::new());
        let [high, low] = self.number.to_be_bytes();
        let vtep = IpAddr::V4(Ipv4Addr::new(198, 19, high, low));
        let session = SessionRequest {
            agent: AgentKind::Net,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: None,
            capacity: None,
            vtep: Some(vtep),
            underlay_mtu: Some(1500),
        };
        let ended = end.clone();
        let life = async move {
            let running = start(link, session, persistent, ended).await?;
            let config = NetConfig { vtep: Some(vtep), verify_period_s: 10, ..NetConfig::default() };
            let (desired, reporter, host_id) = (running.desired, running.reporter, running.identity.host_id);
            let kernel = Arc::new(hardware.kernel);
            let never = CancellationToken::new();
            iroko_net_agent::run(config, host_id, desired, reporter, hardware.ready, kernel, never).await?;
            Ok(())
        };
        self.net = Some(spawn(self.name.clone(), "net-agent", end, life));
    }

    /// Kills the compute-agent and starts it again.
    pub async fn kill_compute(&mut self) {
        if let Some(agent) = self.compute.take() {
            agent.kill().await;
        }
        self.start_compute();
    }

    /// Kills the net-agent and starts it again.
    pub async fn kill_net(&mut self) {
        if let Some(agent) = self.net.take() {
            agent.kill().await;
        }
        self.start_net();
    }

    /// The host loses power and starts again.
    pub async fn reboot(&mut self) -> Result<()> {
        for agent in [self.compute.take(), self.net.take()].into_iter().flatten() {
            agent.kill().await;
        }
        self.hardware.lose_power()?;
        self.start_net();
        self.start_compute();
        Ok(())
    }

    /// Its id, from the identity that its compute-agent keeps.
    pub fn id(&self) -> Result<HostId> {
        let dir = self.link("compute").state_dir;
        let identity = Identity::load(Path::new(&dir))?;
        Ok(identity.with_context(|| format!("{} has not enrolled", self.name))?.host_id)
    }

    /// What is on it.
    pub fn traces(&self) -> Result<HostTraces> {
        let domains = self.hardware.hypervisor.domains();
        let state = self.hardware.kernel.state();
        Ok(HostTraces {
            host_id: self.id()?,
            domains: domains.into_iter().map(|(id, state)| (id, state == DomainState::Running)).collect(),
            disks: self.hardware.storage.kept().into_iter().collect(),
            taps: state
                .keys()
                .filter_map(|key| if let Key::Tap(name) = key { Some(name.clone()) } else { None })
                .collect(),
            networks: state
                .keys()
                .filter_map(|key| if let Key::Bridge(vni) = key { Some(vni.get()) } else { None })
                .collect(),
        })
    }
}

fn spawn(
    host: String,
    agent: &'static str,
    link: CancellationToken,
    life: impl Future<Output = Result<()>> + Send + 'static,
) -> Agent {
    let task = tokio::spawn(async move {
        if let Err(error) = Box::pin(life).await {
            tracing::error!(host, agent, error = format!("{error:#}"), "the agent ended");
        }
    });
    Agent { link, task }
}
