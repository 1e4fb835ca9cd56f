//! A real guest under a private libvirtd: booted, adopted after the agent and the daemon were
//! killed, stopped, rebooted, deleted. Skipped, saying why, where root or a tool is missing.
#![cfg(feature = "libvirt")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod daemon;

use daemon::{Daemon, FileSource, image_spec, tiny_image};
use iroko_agent_link::{DesiredHandle, ReadyPorts, Reporter};
use iroko_agent_wire::{Change, DesiredReply, InstanceSpec, NicSpec, Object, OperationKind, OperationSpec};
use iroko_compute_agent::config::{Config, DiskCache, VirtType};
use iroko_compute_agent::hypervisor::libvirt::LibvirtHypervisor;
use iroko_model::instance::{ObservedState, Power};
use iroko_model::{Hostname, InstanceId, MacAddress, NetworkId, PortId, Resources};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A guest boots in seconds; a busy instance may take much longer.
const BOUND: Duration = Duration::from_secs(120);

struct Host {
    daemon: Daemon,
    config: Config,
    image: PathBuf,
    desired: DesiredHandle,
    reporter: Reporter,
    ready: ReadyPorts,
    agent: Option<JoinHandle<()>>,
}

impl Host {
    fn new(daemon: Daemon, image: PathBuf) -> Self {
        let config = Config {
            state_dir: daemon.path().join("state"),
            libvirt_uri: daemon.uri(),
            virt_type: VirtType::Qemu,
            disk_cache: DiskCache::Writeback,
            poll_period_s: 1,
            stop_timeout_s: 60,
            ..Config::default()
        };
        let ready = ReadyPorts::in_directory(daemon.path().join("ports")).unwrap();
        let (desired, reporter) = (DesiredHandle::new(), Reporter::new());
        Self { daemon, config, image, desired, reporter, ready, agent: None }
    }

    fn start_agent(&mut self) {
        self.reporter = Reporter::new();
        let hypervisor = Arc::new(LibvirtHypervisor::start(&self.config).unwrap());
        let agent = iroko_compute_agent::run(
            self.config.clone(),
            self.desired.clone(),
            self.reporter.clone(),
            Arc::new(FileSource(self.image.clone())),
            self.ready.clone(),
            hypervisor,
            CancellationToken::new(),
        );
        self.agent = Some(tokio::spawn(async move { agent.await.unwrap() }));
    }

    async fn kill_agent(&mut self) {
        let agent = self.agent.take().unwrap();
        agent.abort();
        let _ = agent.await;
    }

    fn want(&self, spec: &InstanceSpec) {
        let changes = vec![Change::Set(Object::Instance(Arc::new(spec.clone())))];
        self.desired.apply(&DesiredReply { revision: "r".into(), full: false, changes, ..DesiredReply::default() });
    }

    async fn until(&self, what: &str, spec: &InstanceSpec, condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(BOUND, wait).await.is_err() {
            panic!(
                "{what} never came; last: {:?}\nconsole:\n{}\ndaemon:\n{}",
                self.reporter.last_instance(spec.id),
                self.console(spec),
                self.daemon.log()
            );
        }
    }

    async fn until_seen(&self, spec: &InstanceSpec, state: ObservedState) {
        let seen = || {
            self.reporter.last_instance(spec.id).is_some_and(|last| {
                (last.generation, last.state) == (spec.generation, state)
                    && (state != ObservedState::Running
                        || last.ended_operation() == spec.operation.map_or(0, |asked| asked.number))
            })
        };
        self.until(&format!("{state:?}"), spec, seen).await;
    }

    fn console(&self, spec: &InstanceSpec) -> String {
        let log = self.config.state_dir.join(format!("instances/{}/console.log", spec.id));
        String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
    }

    fn boots(&self, spec: &InstanceSpec) -> usize {
        self.console(spec).matches("IROKO-TEST boot hostname=").count()
    }
}

fn spec(image: &Path) -> InstanceSpec {
    let nic = |last: u8| {
        let port_id = PortId::new();
        NicSpec {
            port_id,
            network_id: NetworkId::new(),
            tap: iroko_model::address::tap_name(port_id),
            mac: MacAddress::local([0, 0, 0, 0, last]),
            mtu: 1450,
            addresses: vec![],
        }
    };
    InstanceSpec {
        id: InstanceId::new(),
        generation: 1,
        power: Power::Running,
        operation: None,
        hostname: Hostname::try_from("web-1".to_owned()).unwrap(),
        resources: Resources { vcpus: 1, memory_mib: 128, disk_gib: 1 },
        image: image_spec(image),
        nics: vec![nic(1), nic(2)],
        ssh_keys: vec![],
        user_data: None,
        user_data_is_base64: false,
        has_run: false,
        on_guest_shutdown: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_guest_lives_through_everything() {
    let image = match tiny_image() {
        Ok(image) => image,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let daemon = match Daemon::start() {
        Ok(daemon) => daemon,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let mut spec = spec(&image);
    for nic in &spec.nics {
        daemon.tap(&nic.tap);
    }
    let mut host = Host::new(daemon, image);
    for nic in &spec.nics {
        host.ready.mark(nic.port_id).unwrap();
    }
    host.want(&spec);
    host.start_agent();
    host.until_seen(&spec, ObservedState::Running).await;
    host.until("the guest's own word", &spec, || host.console(&spec).contains("IROKO-TEST boot hostname=web-1")).await;

    // Agent and daemon die; the guest does not notice, and is adopted as it is.
    host.kill_agent().await;
    let before = host.daemon.emulators();
    host.daemon.kill_libvirtd();
    host.start_agent();
    host.until_seen(&spec, ObservedState::Running).await;
    assert_eq!((host.daemon.emulators(), host.boots(&spec)), (before, 1));

    // The daemon alone dies under a live connection.
    host.daemon.kill_libvirtd();
    spec.generation = 2;
    spec.operation = Some(OperationSpec { number: 1, kind: OperationKind::Reboot });
    host.want(&spec);
    host.until_seen(&spec, ObservedState::Running).await;
    host.until("the second boot", &spec, || host.boots(&spec) == 2).await;

    // The whole host restarts: nothing starts before the taps are back, then the instance does.
    host.kill_agent().await;
    host.daemon.reboot();
    spec.nics.iter().for_each(|nic| host.ready.clear(nic.port_id).unwrap());
    host.start_agent();
    host.until_seen(&spec, ObservedState::Preparing).await;
    for nic in &spec.nics {
        host.daemon.tap(&nic.tap);
        host.ready.mark(nic.port_id).unwrap();
    }
    host.until_seen(&spec, ObservedState::Running).await;
    host.until("the third boot", &spec, || host.boots(&spec) == 3).await;

    // The daemon dies in the one moment of a start that it cannot find out of by itself.
    host.kill_agent().await;
    let domain = host.daemon.domains();
    host.daemon.lose_start(&domain);
    assert_eq!(host.daemon.state(&domain), "paused", "this libvirtd no longer loses starts: drop forget-lost-starts");
    host.daemon.tidy();
    host.daemon.kill_libvirtd();
    assert_eq!(host.daemon.state(&domain), "shut off");
    host.start_agent();
    host.until_seen(&spec, ObservedState::Running).await;
    host.until("the fourth boot", &spec, || host.boots(&spec) == 4).await;

    (spec.generation, spec.power) = (3, Power::Stopped);
    host.want(&spec);
    host.until_seen(&spec, ObservedState::Stopped).await;
    assert_eq!(host.console(&spec).matches("IROKO-TEST power-off").count(), 2, "it was asked, not switched off");

    (spec.generation, spec.power) = (4, Power::Deleted);
    host.want(&spec);
    host.until_seen(&spec, ObservedState::Absent).await;
    assert_eq!(host.daemon.domains(), "");
    assert!(host.daemon.emulators().is_empty());
    assert_eq!(std::fs::read_dir(host.config.state_dir.join("instances")).unwrap().count(), 0);
    host.kill_agent().await;
}
