//! What a simulated host is made of, apart from its agents: it survives them.

use iroko_agent_link::agent::ReadyPorts;
use iroko_compute_agent::faults::Faults;
use iroko_compute_agent::hypervisor::DomainState;
use iroko_compute_agent::hypervisor::fake::FakeHypervisor;
use iroko_compute_agent::{Hypervisor, Storage, storage::fake::FakeStorage};
use iroko_model::HostId;
use iroko_net_agent::Fake;
use iroko_net_agent::object::Key;
use iroko_store::invariant::HostTraces;
use std::sync::Arc;
use std::time::Duration;

/// How long the host's own operations take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latencies {
    /// Each change of a domain.
    pub domain: Duration,
    /// Making a machine's disk.
    pub disk: Duration,
    /// Each change of the network.
    pub net: Duration,
}

/// Hypervisor, disk, kernel and marks of one host. Cheap to clone; all clones are one host.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// The domains.
    pub hypervisor: Arc<FakeHypervisor>,
    /// The files.
    pub storage: Arc<FakeStorage>,
    /// The network devices, filters and servers.
    pub kernel: Fake,
    /// Which ports are plugged.
    pub ready: ReadyPorts,
    /// Disturbs hypervisor and storage.
    pub faults: Arc<Faults>,
}

impl Hardware {
    /// A host with nothing on it.
    pub fn new(latencies: Latencies) -> Self {
        let faults = Arc::new(Faults::default());
        let kernel = Fake::new();
        kernel.set_latency(latencies.net);
        Self {
            hypervisor: Arc::new(FakeHypervisor::with(faults.clone(), latencies.domain)),
            storage: Arc::new(FakeStorage::with(faults.clone(), latencies.disk)),
            kernel,
            ready: ReadyPorts::in_memory(),
            faults,
        }
    }

    /// What a loss of power clears: domains are off, devices and marks are gone; disks and definitions stay.
    pub fn lose_power(&self) {
        self.hypervisor.reboot_host();
        self.kernel.tamper(|state| state.clear());
        for port in self.ready.all().into_iter().flatten() {
            // Marks in memory cannot fail to be removed.
            let _ = self.ready.clear(port);
        }
    }

    /// No more faults on purpose.
    pub fn mend(&self) {
        self.faults.clear();
        self.kernel.fail_nth(0);
        self.kernel.fail_always(None);
    }

    /// What is on it, for the checker.
    pub async fn traces(&self, host_id: HostId) -> anyhow::Result<HostTraces> {
        let domains = self.hypervisor.list().await?;
        let domains = domains.into_iter().map(|(id, state)| (id, state == DomainState::Running)).collect();
        let disks = self.storage.instances().await?.into_iter().collect();
        let state = self.kernel.state();
        let taps = state.keys().filter_map(|key| if let Key::Tap(name) = key { Some(name.clone()) } else { None });
        let networks = state.keys().filter_map(|key| match key {
            Key::Bridge(vni) | Key::Vxlan(vni) | Key::Service(vni) | Key::Dnsmasq(vni) => Some(vni.get()),
            _ => None,
        });
        Ok(HostTraces { host_id, domains, disks, taps: taps.collect(), networks: networks.collect() })
    }
}
