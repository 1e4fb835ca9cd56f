//! What a simulated host is made of, apart from its agents: it survives them.

use iroko_agent_link::{DesiredHandle, ReadyPorts};
use iroko_compute_agent::faults::Faults;
use iroko_compute_agent::hypervisor::DomainState;
use iroko_compute_agent::hypervisor::fake::FakeHypervisor;
use iroko_compute_agent::{Hypervisor, Storage, storage::fake::FakeStorage};
use iroko_model::HostId;
use iroko_net_agent::Fake;
use iroko_net_agent::object::Key;
use iroko_store::invariant::{GroupTraces, HostTraces};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// What the running net-agent was told.
    pub held: Arc<Mutex<DesiredHandle>>,
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
            held: Arc::default(),
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

    /// What its net-agent holds of security groups.
    fn groups(&self) -> GroupTraces {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let held = held.read();
        let members = held.members.values().flat_map(|members| members.values());
        GroupTraces {
            groups: held.security_groups.values().map(|spec| (spec.id.as_uuid(), spec.generation)).collect(),
            members: members.map(|spec| (spec.group_id.as_uuid(), spec.port_id.as_uuid())).collect(),
            address_sets: held.address_sets.values().map(|spec| (spec.id.as_uuid(), spec.generation)).collect(),
        }
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
        let (taps, networks) = (taps.collect(), networks.collect());
        Ok(HostTraces { host_id, domains, disks, taps, networks, groups: Some(self.groups()) })
    }
}
