//! The real kernel of this host, in the network namespace of the thread that opens it.

use crate::announce::{Announcement, Latest};
use crate::config::Config;
use crate::conntrack::{Conntrack, Flow};
use crate::dhcp::{DhcpError, Dnsmasq, Files};
use crate::firewall::apply::Nft;
use crate::kernel::{Kernel, KernelError};
use crate::link::forwarding::{self, Entry};
use crate::link::netlink::Netlink;
use crate::link::packet::PacketSocket;
use crate::link::{LinkError, device, service, shape, tap};
use crate::object::{Key, State, Value};
use crate::observed;
use crate::plan::Action;
use crate::statistics::nf_tables::NfTables;
use crate::statistics::reading::Counter;
use crate::statistics::{of_link, of_queue};
use iroko_model::security_group::Direction;
use iroko_model::{MacAddress, Vni};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When an address that has passed to another instance is announced again.
const ANNOUNCED_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Off, so that only bridges that ask for it themselves (ours) pass the host's IP filter.
const SYSCTLS: [&str; 3] = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"];
const SYSCTL_DIR: &str = "/proc/sys/net/bridge";

/// Netlink, nft and dnsmasq of this host.
#[derive(Debug)]
pub struct Linux {
    netlink: Netlink,
    nft: Nft,
    dnsmasq: Dnsmasq,
    conntrack: Conntrack,
    nf_tables: NfTables,
    netns_dir: PathBuf,
    packets: Arc<PacketSocket>,
    announced: Arc<Mutex<Latest>>,
}

impl Linux {
    /// Opens the host of this thread. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where there is no netlink socket.
    pub fn open(config: &Config) -> Result<Self, LinkError> {
        let files = Files::new(&config.run_dir);
        let transport = |error: io::Error| LinkError::Transport(error.to_string());
        Ok(Self {
            netlink: Netlink::open()?,
            nft: Nft::new(&config.nft, &config.run_dir),
            dnsmasq: Dnsmasq::new(&config.dnsmasq, &config.netns_dir, files),
            conntrack: Conntrack::open().map_err(transport)?,
            nf_tables: NfTables::open().map_err(transport)?,
            netns_dir: config.netns_dir.clone(),
            packets: Arc::new(PacketSocket::open().map_err(transport)?),
            announced: Arc::default(),
        })
    }

    async fn ensure(&self, key: &Key, value: &Value) -> Result<(), ActError> {
        let netlink = &self.netlink;
        match (key, value) {
            (Key::Bridge(vni), Value::Bridge { mtu }) => device::ensure_bridge(netlink, *vni, *mtu).await?,
            (Key::Vxlan(vni), Value::Vxlan { local, mtu, sharing }) => {
                device::ensure_vxlan(netlink, *vni, *local, *mtu, *sharing).await?;
            }
            (Key::Tap(name), Value::Tap { vni, mtu, owner, sharing }) => {
                tap::ensure(netlink, name, *vni, *mtu, *owner, *sharing).await?;
            }
            (Key::Service(vni), Value::Service { mtu, addresses }) => {
                service::ensure(netlink, &self.netns_dir, *vni, *mtu, addresses).await?;
            }
            (Key::Tunnel(vni, mac), Value::Vtep(vtep)) => {
                forwarding::put(netlink, Entry::Tunnel(*vni, *mac, Some(*vtep))).await?;
            }
            (Key::Shape(tap, Direction::Ingress), Value::Rate(rate)) => {
                shape::ensure_to_guest(netlink, tap, *rate).await?;
            }
            (Key::Shape(tap, Direction::Egress), Value::Rate(rate)) => {
                shape::ensure_from_guest(netlink, tap, *rate).await?;
            }
            (Key::Flood(vni, vtep), Value::Present) => forwarding::put(netlink, Entry::Flood(*vni, *vtep)).await?,
            (Key::Forward(_, mac), Value::Device(name)) => {
                forwarding::put(netlink, Entry::Forward(*mac, name)).await?;
            }
            (Key::Neighbour(vni, ip), Value::Mac(mac)) => {
                forwarding::put(netlink, Entry::Neighbour(*vni, *ip, Some(*mac))).await?;
            }
            (Key::Reservation(..) | Key::HostRecord(..), Value::Text(text)) => {
                self.dnsmasq.files.put_record(key, text)?;
            }
            (Key::Dnsmasq(vni), Value::Text(config)) => self.dnsmasq.start(*vni, config).await?,
            _ => return Err(ActError::Nonsense),
        }
        Ok(())
    }

    async fn remove(&self, key: &Key, seen: &Value) -> Result<(), ActError> {
        let netlink = &self.netlink;
        match key {
            Key::Bridge(vni) => netlink.delete(&vni.bridge()).await?,
            Key::Vxlan(vni) => netlink.delete(&vni.vxlan()).await?,
            Key::Tap(name) => tap::remove(netlink, name).await?,
            Key::Shape(tap, Direction::Ingress) => shape::remove_to_guest(netlink, tap).await?,
            Key::Shape(tap, Direction::Egress) => shape::remove_from_guest(netlink, tap).await?,
            Key::Service(vni) => service::remove(netlink, &self.netns_dir, *vni).await?,
            Key::Tunnel(vni, mac) => forwarding::remove(netlink, Entry::Tunnel(*vni, *mac, None)).await?,
            Key::Flood(vni, vtep) => forwarding::remove(netlink, Entry::Flood(*vni, *vtep)).await?,
            Key::Forward(vni, mac) => self.remove_forward(*vni, *mac, seen).await?,
            Key::Neighbour(vni, ip) => forwarding::remove(netlink, Entry::Neighbour(*vni, *ip, None)).await?,
            Key::Reservation(..) | Key::HostRecord(..) => self.dnsmasq.files.remove_record(key)?,
            Key::Dnsmasq(vni) => self.dnsmasq.remove(*vni).await?,
            Key::Base | Key::Element(_) | Key::Chain(_) | Key::MemberSets(_) | Key::AddressSet(_) => {
                return Err(ActError::Nonsense);
            }
        }
        Ok(())
    }

    /// The kernel wants the port that an entry is on. One that was learned is looked up.
    async fn remove_forward(&self, vni: Vni, mac: MacAddress, seen: &Value) -> Result<(), LinkError> {
        let port = match seen {
            Value::Device(name) => Some(name.clone()),
            _ => observed::port_of(&self.netlink, vni, mac).await?,
        };
        match port {
            Some(name) => forwarding::remove(&self.netlink, Entry::Forward(mac, &name)).await,
            None => Ok(()),
        }
    }
}

/// Why an action failed, before it is known what it was about.
enum ActError {
    Link(LinkError),
    Dhcp(DhcpError),
    /// A key with a value of another kind; planning makes none.
    Nonsense,
}

impl From<LinkError> for ActError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<DhcpError> for ActError {
    fn from(error: DhcpError) -> Self {
        Self::Dhcp(error)
    }
}

#[async_trait::async_trait]
impl Kernel for Linux {
    async fn observe(&self) -> Result<State, KernelError> {
        let read = |source| KernelError::Link { what: "reading the host's devices".to_owned(), source };
        // nft takes its time in processes of its own.
        let (devices, filter) = tokio::join!(observed::devices(&self.netlink, &self.netns_dir), self.nft.observe());
        let mut state = devices.map_err(read)?;
        state.extend(filter.map_err(KernelError::Firewall)?);
        state.extend(self.dnsmasq.observe().map_err(KernelError::Dhcp)?);
        if state.contains_key(&Key::Base) && !sysctls_are_right() {
            state.insert(Key::Base, Value::unusable("have the host's bridge sysctls on"));
        }
        Ok(state)
    }

    async fn filter(&self, actions: &[Action]) -> Result<(), KernelError> {
        if actions.iter().any(|action| matches!(action, Action::Ensure(Key::Base, _))) {
            set_sysctls()?;
        }
        self.nft.apply(actions).await.map_err(KernelError::Firewall)
    }

    async fn act(&self, action: &Action) -> Result<(), KernelError> {
        let outcome = match action {
            Action::Ensure(key, value) => self.ensure(key, value).await,
            Action::Remove(key, seen) => self.remove(key, seen).await,
            Action::Reload(vni) => self.dnsmasq.reload(*vni).map_err(ActError::Dhcp),
        };
        outcome.map_err(|error| match error {
            ActError::Link(source) => KernelError::Link { what: action.key().to_string(), source },
            ActError::Dhcp(source) => KernelError::Dhcp(source),
            ActError::Nonsense => KernelError::Nonsense(action.to_string()),
        })
    }

    async fn flows(&self) -> Result<Vec<Flow>, KernelError> {
        let conntrack = self.conntrack.clone();
        blocking(move || conntrack.flows()).await.map_err(KernelError::Flows)
    }

    async fn mark(&self, flows: Vec<(Flow, bool)>) -> Result<(), KernelError> {
        let conntrack = self.conntrack.clone();
        // One that cannot be marked keeps no other from it.
        let outcomes = move || flows.iter().map(|(flow, cut)| conntrack.mark(flow, *cut)).fold(Ok(()), Result::and);
        blocking(outcomes).await.map_err(KernelError::Flows)
    }

    /// Now, and again in case that what is on its way of the old instance comes after it.
    async fn announce(&self, announcements: Vec<Announcement>) -> Result<(), KernelError> {
        let outcome = send_all(&self.packets, announcements.iter());
        let (packets, latest) = (self.packets.clone(), self.announced.clone());
        let number = locked(&latest).take(&announcements);
        tokio::spawn(async move {
            for wait in ANNOUNCED_AGAIN {
                tokio::time::sleep(wait).await;
                let latest = locked(&latest);
                // Devices may be gone by then.
                let _ = send_all(&packets, announcements.iter().filter(|one| latest.is_last(one, number)));
            }
            locked(&latest).forget(number);
        });
        outcome.map_err(KernelError::Announce)
    }

    async fn counters(&self) -> Result<Vec<Counter>, KernelError> {
        let read = |source| KernelError::Link { what: "reading what the taps carried".to_owned(), source };
        let links = self.netlink.links().await.map_err(read)?;
        let drops = shape::drops(&self.netlink).await.map_err(read)?;
        let mut counters: Vec<Counter> = links.iter().flat_map(of_link).collect();
        counters.extend(links.iter().filter_map(|link| of_queue(link, &drops)));
        let nf_tables = self.nf_tables.clone();
        counters.extend(blocking(move || nf_tables.counters()).await.map_err(KernelError::Counters)?);
        Ok(counters)
    }
}

fn locked(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One device that is gone, or full, keeps no other from it.
fn send_all<'a>(packets: &PacketSocket, announcements: impl Iterator<Item = &'a Announcement>) -> io::Result<()> {
    let sends = announcements
        .flat_map(|announcement| announcement.devices.iter().map(|device| packets.send(device, &announcement.frame)));
    sends.fold(Ok(()), Result::and)
}

/// Netlink without waiting would only make the kernel's answer to a dump harder to read.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn sysctls_are_right() -> bool {
    SYSCTLS.iter().all(|name| fs::read_to_string(format!("{SYSCTL_DIR}/{name}")).is_ok_and(|text| text.trim() == "0"))
}

fn set_sysctls() -> Result<(), KernelError> {
    for name in SYSCTLS {
        let path = format!("{SYSCTL_DIR}/{name}");
        fs::write(&path, "0").map_err(|source| KernelError::File {
            what: format!("{path} could not be set; is the br_netfilter module loaded?"),
            source,
        })?;
    }
    Ok(())
}
