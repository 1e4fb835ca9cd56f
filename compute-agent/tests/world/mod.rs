//! A simulated host for tests: fakes that survive the agent, and an agent that can be killed.
#![allow(dead_code, reason = "each test binary uses its own part")]

use iroko_agent_link::{DesiredHandle, ReadyPorts, Reporter};
use iroko_agent_wire::{
    Change, DesiredReply, ImageSpec, InstanceObservation, InstanceSpec, NicSpec, Object, ObjectKey, OperationKind,
    OperationSpec, OrphanObservation,
};
use iroko_compute_agent::faults::Faults;
use iroko_compute_agent::hypervisor::fake::FakeHypervisor;
use iroko_compute_agent::storage::fake::FakeStorage;
use iroko_compute_agent::{Config, run_with};
use iroko_model::image::DiskFormat;
use iroko_model::instance::{ObservedState, Power};
use iroko_model::{Hostname, ImageId, InstanceId, MacAddress, NetworkId, PortId, Resources};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Simulated time within which everything must have happened.
const BOUND: Duration = Duration::from_secs(3600);

pub fn spec(id: InstanceId) -> InstanceSpec {
    let port_id = PortId::new();
    InstanceSpec {
        id,
        generation: 1,
        power: Power::Running,
        operation: None,
        hostname: Hostname::try_from("web-1".to_owned()).unwrap(),
        resources: Resources { vcpus: 1, memory_mib: 128, disk_gib: 1 },
        image: ImageSpec {
            id: ImageId::new(),
            format: DiskFormat::Qcow2,
            sha256: "0".repeat(64),
            size_bytes: 1,
            virtual_size_bytes: 1 << 20,
        },
        nics: vec![NicSpec {
            port_id,
            network_id: NetworkId::new(),
            tap: iroko_model::address::tap_name(port_id),
            mac: MacAddress::local([0, 0, 0, 0, 1]),
            mtu: 1450,
            addresses: vec![],
        }],
        ssh_keys: vec![],
        user_data: None,
        user_data_is_base64: false,
        has_run: false,
        on_guest_shutdown: Default::default(),
    }
}

/// A reboot, as the operation with a number.
pub fn reboot(number: u64) -> Option<OperationSpec> {
    Some(OperationSpec { number, kind: OperationKind::Reboot })
}

pub struct World {
    pub config: Config,
    pub desired: DesiredHandle,
    pub reporter: Reporter,
    pub ready: ReadyPorts,
    pub faults: Arc<Faults>,
    pub hypervisor: Arc<FakeHypervisor>,
    pub storage: Arc<FakeStorage>,
    agent: Option<JoinHandle<()>>,
}

impl World {
    pub fn new() -> Self {
        let faults = Arc::new(Faults::default());
        Self {
            config: Config::default(),
            desired: DesiredHandle::new(),
            reporter: Reporter::new(),
            ready: ReadyPorts::in_memory(),
            hypervisor: Arc::new(FakeHypervisor::with(faults.clone(), Duration::from_millis(5))),
            storage: Arc::new(FakeStorage::with(faults.clone(), Duration::from_millis(20))),
            faults,
            agent: None,
        }
    }

    pub fn start(&mut self) {
        let agent = run_with(
            self.config.clone(),
            self.desired.clone(),
            self.reporter.clone(),
            self.storage.clone(),
            self.ready.clone(),
            self.hypervisor.clone(),
            CancellationToken::new(),
        );
        self.agent = Some(tokio::spawn(async move { agent.await.unwrap() }));
    }

    /// As `kill -9`: nothing gets to finish.
    pub async fn kill(&mut self) {
        let agent = self.agent.take().expect("the agent runs");
        agent.abort();
        let _ = agent.await;
    }

    pub fn want(&self, spec: &InstanceSpec) {
        self.apply(vec![Change::Set(Object::Instance(Arc::new(spec.clone())))]);
    }

    pub fn forget(&self, id: InstanceId) {
        self.apply(vec![Change::Gone(ObjectKey::Instance(id))]);
    }

    /// As the control plane answers that does not know of anything, its database being one of yesterday.
    pub fn want_nothing(&self) {
        let (changes, consoles_wanted, kept) = (vec![], vec![], vec![]);
        self.desired.apply(&DesiredReply {
            revision: "r".into(),
            full: true,
            changes,
            consoles_wanted,
            kept,
            ..DesiredReply::default()
        });
    }

    /// What is still to be told of an orphan.
    pub fn orphan(&self, id: InstanceId) -> Option<OrphanObservation> {
        let told = self.reporter.batch(iroko_agent_wire::Report::MAX).orphans;
        told.into_iter().find(|orphan| orphan.instance_id == id)
    }

    fn apply(&self, changes: Vec<Change>) {
        self.desired.apply(&DesiredReply { revision: "r".into(), full: false, changes, ..DesiredReply::default() });
    }

    pub fn plug(&self, spec: &InstanceSpec) {
        spec.nics.iter().for_each(|nic| self.ready.mark(nic.port_id).unwrap());
    }

    pub fn last(&self, id: InstanceId) -> Option<InstanceObservation> {
        self.reporter.last_instance(id)
    }

    pub async fn until(&self, what: &str, id: InstanceId, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(BOUND, wait).await.is_err() {
            panic!(
                "{what} never came; last: {:?}, domain: {:?}, held: {:?}",
                self.last(id),
                self.hypervisor.peek(id),
                self.storage.held(id)
            );
        }
    }

    pub async fn until_seen(&self, spec: &InstanceSpec, state: ObservedState) {
        let seen = |world: &Self| {
            world.last(spec.id).is_some_and(|last| {
                last.generation == spec.generation
                    && last.state == state
                    && (state != ObservedState::Running
                        || last.ended_operation() == spec.operation.map_or(0, |asked| asked.number))
            })
        };
        self.until(&format!("{state:?}"), spec.id, seen).await;
    }

    pub fn is_traceless(&self, id: InstanceId) -> bool {
        self.hypervisor.peek(id).is_none() && self.storage.held(id) == Default::default()
    }
}
