//! Simulated hosts: each a thread with a network and a mount namespace of its own, so that nothing
//! of a test outlives it, whatever happens in it. Only the dnsmasq processes do, and a guard ends
//! those.

use iroko_agent_link::{DesiredHandle, Dirty, ReadyPorts, Reporter};
use iroko_agent_wire::{Change, DesiredReply, NetworkSpec, Object, PeerSpec, PortSpec, SubnetSpec};
use iroko_model::address::tap_name;
use iroko_model::port::PortLimits;
use iroko_model::{HostId, Hostname, InstanceId, MacAddress, NetworkId, PortId, SubnetId, Vni};
use iroko_net_agent::reconcile::{PassReport, Reconciler};
use iroko_net_agent::{Config, Linux};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::runtime::Runtime;

/// Why the real kernel cannot be used here; none where it can.
pub fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Some("needs /dev/net/tun".to_owned());
    }
    for program in ["/usr/sbin/nft", "/usr/sbin/dnsmasq", "/usr/sbin/ip"] {
        if !std::path::Path::new(program).exists() {
            return Some(format!("needs {program}"));
        }
    }
    None
}

/// Skips a test, visibly, where the kernel cannot be used.
#[macro_export]
macro_rules! needs_kernel {
    () => {
        if let Some(why) = $crate::lab::missing() {
            eprintln!("skipped: {why}");
            return;
        }
    };
}

type Work = Box<dyn FnOnce(&Runtime, &mut Agent) + Send>;

/// A simulated host.
pub struct Host {
    pub id: HostId,
    pub vtep: IpAddr,
    pub desired: DesiredHandle,
    pub reporter: Reporter,
    pub ready: ReadyPorts,
    tid: i32,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

/// What lives on a host's thread.
pub struct Agent {
    pub config: Config,
    pub reconciler: Reconciler,
}

impl Host {
    /// A host without an underlay, whose VTEP is `192.0.2.NUMBER`.
    pub fn new(number: u8) -> Self {
        Self::with(number, |_| {})
    }

    /// The same, otherwise configured.
    pub fn with(number: u8, change: impl FnOnce(&mut Config)) -> Self {
        let id = HostId::new();
        let vtep = IpAddr::V4(Ipv4Addr::new(192, 0, 2, number));
        let (desired, reporter, ready) = (DesiredHandle::new(), Reporter::new(), ReadyPorts::in_memory());
        let mut config = Config { vtep: Some(vtep), ..Config::default() };
        change(&mut config);
        let (work, todo) = mpsc::channel::<Work>();
        let (told, tid) = mpsc::channel();
        let parts = (config, id, desired.clone(), reporter.clone(), ready.clone());
        let thread = std::thread::spawn(move || {
            isolate();
            told.send(nix::unistd::gettid().as_raw()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut agent = runtime.block_on(async { agent(&parts) });
            for work in todo {
                work(&runtime, &mut agent);
            }
            end_dnsmasq(&agent.config);
        });
        let tid = tid.recv().unwrap();
        Self { id, vtep, desired, reporter, ready, tid, work: Some(work), thread: Some(thread) }
    }

    /// Two hosts with a cable between them.
    pub fn pair() -> (Self, Self) {
        Self::pair_with(|_| {}, |_| {})
    }

    /// The same, otherwise configured.
    pub fn pair_with(first: impl FnOnce(&mut Config), second: impl FnOnce(&mut Config)) -> (Self, Self) {
        let (one, two) = (Self::with(1, first), Self::with(2, second));
        one.sh(&format!("ip link add und0 type veth peer name und0 netns {}", two.tid));
        for host in [&one, &two] {
            host.sh(&format!("ip address add {}/24 dev und0 && ip link set und0 up", host.vtep));
        }
        (one, two)
    }

    /// Three hosts on one segment.
    pub fn three() -> [Self; 3] {
        let hosts = [1, 2, 3].map(Self::new);
        hosts[0].sh("ip link add und0 type bridge");
        for (n, host) in hosts.iter().enumerate().skip(1) {
            hosts[0].sh(&format!(
                "ip link add und{n} type veth peer name und0 netns {} && ip link set und{n} master und0 up",
                host.tid
            ));
        }
        for host in &hosts {
            host.sh(&format!("ip address add {}/24 dev und0 && ip link set und0 up", host.vtep));
        }
        hosts
    }

    /// Runs work on the host's thread, in its namespaces.
    pub fn on<T: Send + 'static>(&self, work: impl FnOnce(&Runtime, &mut Agent) -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        let work: Work = Box::new(move |runtime, agent| drop(answer.send(work(runtime, agent))));
        self.work.as_ref().unwrap().send(work).unwrap();
        result.recv().expect("the work did not panic")
    }

    /// One pass over everything.
    pub fn full(&self) -> PassReport {
        self.pass(Dirty { all: true, keys: HashSet::new() })
    }

    /// One pass over what is dirty.
    pub fn pass(&self, dirty: Dirty) -> PassReport {
        self.on(move |runtime, agent| runtime.block_on(agent.reconciler.pass(&dirty)))
    }

    /// What is not as desired, as text.
    pub fn outstanding(&self) -> String {
        self.on(|_, agent| format!("{:#?}", agent.reconciler.outstanding()))
    }

    /// Applies changes and passes over them.
    pub fn change(&self, changes: Vec<Change>) -> PassReport {
        let reply = DesiredReply { revision: "r".into(), full: false, changes, ..DesiredReply::default() };
        self.pass(self.desired.apply(&reply))
    }

    /// A new agent on the same host, as after a restart.
    pub fn restart(&self) {
        let parts = (self.id, self.desired.clone(), self.reporter.clone(), self.ready.clone());
        self.on(move |runtime, running| {
            let (id, desired, reporter, ready) = parts;
            *running = runtime.block_on(async { agent(&(running.config.clone(), id, desired, reporter, ready)) });
        });
    }

    /// Runs a command on the host and gives what it printed.
    pub fn sh(&self, command: &str) -> String {
        let (ok, text) = self.try_sh(command);
        assert!(ok, "{command}: {text}");
        text
    }

    /// Runs a command that may fail.
    pub fn try_sh(&self, command: &str) -> (bool, String) {
        let command = command.to_owned();
        self.on(move |_, _| {
            let output = Command::new("sh").args(["-c", &command]).output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Parts = (Config, HostId, DesiredHandle, Reporter, ReadyPorts);

fn agent((config, id, desired, reporter, ready): &Parts) -> Agent {
    let kernel = Arc::new(Linux::open(config).unwrap());
    let facts = config.facts(*id).unwrap();
    let reconciler = Reconciler::new(facts, desired.clone(), reporter.clone(), ready.clone(), kernel);
    Agent { config: config.clone(), reconciler }
}

fn isolate() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).unwrap();
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success());
}

fn end_dnsmasq(config: &Config) {
    for dir in std::fs::read_dir(config.run_dir.join("dnsmasq")).into_iter().flatten().flatten() {
        let pid = std::fs::read_to_string(dir.path().join("pid")).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// A network to test with: `10.0.0.0/24` and `fd00:1::/64`.
pub struct Net {
    pub spec: NetworkSpec,
}

impl Net {
    pub fn new(vni: u32) -> Self {
        let subnet = |cidr: &str, service: &str, gateway: Option<&str>| SubnetSpec {
            id: SubnetId::new(),
            cidr: cidr.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            service: service.parse().unwrap(),
            dns_servers: vec![],
        };
        let subnets =
            vec![subnet("10.0.0.0/24", "10.0.0.2", Some("10.0.0.1")), subnet("fd00:1::/64", "fd00:1::2", None)];
        let spec = NetworkSpec {
            id: NetworkId::new(),
            generation: 1,
            vni: Vni::try_from(vni).unwrap(),
            mtu: 1450,
            domain: "lab.internal".into(),
            subnets,
        };
        Self { spec }
    }

    pub fn vni(&self) -> Vni {
        self.spec.vni
    }

    pub fn set(&self) -> Change {
        Change::Set(Object::Network(Arc::new(self.spec.clone())))
    }

    /// The n-th instance: `10.0.0.N`, `fd00:1::N`, `02:00:00:00:00:N`.
    pub fn port(&self, n: u8) -> PortSpec {
        let id = PortId::new();
        PortSpec {
            id,
            network_id: self.spec.id,
            instance_id: InstanceId::new(),
            generation: 1,
            tap: tap_name(id),
            mac: MacAddress::local([0, 0, 0, 0, n]),
            addresses: vec![format!("10.0.0.{n}").parse().unwrap(), format!("fd00:1::{n:x}").parse().unwrap()],
            hostname: Hostname::try_from(format!("vm{n}")).unwrap(),
            security_group_ids: None,
            is_secured: true,
            allowed_address_pairs: vec![],
            limits: PortLimits::default(),
            connection_log: None,
        }
    }
}

pub fn set_port(port: &PortSpec) -> Change {
    Change::Set(Object::Port(Arc::new(port.clone())))
}

/// How other hosts see a port.
pub fn peer(port: &PortSpec, on: &Host) -> Change {
    Change::Set(Object::Peer(Arc::new(PeerSpec {
        port_id: port.id,
        network_id: port.network_id,
        host_id: on.id,
        vtep: on.vtep,
        mac: port.mac,
        addresses: port.addresses.clone(),
        hostname: port.hostname.clone(),
        allowed_address_pairs: port.allowed_address_pairs.clone(),
    })))
}
