//! What agents watch.
//!
//! ```text
//!   outbox ──tail──> one reader per API process ──load each object once──> ring ──> long polls
//!                    (woken by signals, polling as truth)                  by host and by network
//! ```
//!
//! A change is read from the database once per process, whatever the number of hosts that hear of it;
//! a port that moves is one small object for each host of its network. A watcher that comes with a
//! revision the ring no longer knows, or of another history, gets everything of its host.
//!
//! Security groups go to the hosts whose ports need them ([`super::security`]).
//!
//! A revision `EPOCH:N` held by an agent means: it has seen everything below N. N is one more than the number
//! of a change that was read, and so of a transaction that no crash of the database takes back.

use super::member::{Membership, Pair, Turn, turns};
use super::networks::{self, Networks};
use super::ring::{ENTRIES_MAX, News, Ring, Scope, What};
use super::security::{self, Begun, Needs};
use iroko_agent_wire::{AgentKind, Change, DesiredReply, Object, ObjectKey};
use iroko_model::{HostId, InstanceId, NetworkId};
use iroko_store::change::{Change as Row, ChangeKind, change_epoch, change_floor, change_tail};
use iroko_store::desired::{self, BoundPort, Instances, Need, Ports};
use iroko_store::{Result, Store, Tx, Wake};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longest time between two looks at the outbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two looks, and longest: what comes in the meantime is read and told together.
/// In between it rests as long as it worked, so that under load whoever asks goes before who is told.
const LOOK_GAP: (Duration, Duration) = (Duration::from_millis(8), Duration::from_millis(100));
/// Next look after a failure.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct State {
    ring: Ring,
    networks: Networks,
    watermark: i64,
    waiting: HashMap<HostId, Arc<Notify>>,
}

/// See the module.
#[derive(Debug)]
pub struct Hub {
    store: Store,
    epoch: String,
    state: Mutex<State>,
    begun: Begun,
    shutdown: CancellationToken,
}

impl Hub {
    /// Reads what the outbox still holds and makes a hub that goes on from there.
    pub async fn start(store: Store, shutdown: CancellationToken) -> Result<Arc<Self>> {
        let mut conn = store.connection().await?;
        let epoch = change_epoch(&mut conn).await?;
        let floor = change_floor(&mut conn, i64::try_from(ENTRIES_MAX / 2).unwrap_or(i64::MAX)).await?;
        drop(conn);
        let state =
            State { ring: Ring::new(floor), networks: Networks::default(), watermark: floor, waiting: HashMap::new() };
        let hub = Arc::new(Self { store, epoch, state: Mutex::new(state), begun: Begun::default(), shutdown });
        hub.look().await?;
        hub.learn_members().await?;
        let follower = hub.clone();
        tokio::spawn(async move { follower.shutdown.run_until_cancelled(follower.follow()).await });
        Ok(hub)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Members of networks, and what hosts need, of which no change was in the outbox.
    async fn learn_members(&self) -> Result<()> {
        let mut conn = self.store.connection().await?;
        let members = desired::memberships(&mut conn).await?;
        let needs = security::learn(&mut conn).await?;
        let mut state = self.state();
        for (host, needs) in needs {
            state.ring.set_needs(host, needs);
        }
        for (host, network) in members {
            state.ring.set_member(host, network, true);
        }
        Ok(())
    }

    async fn follow(&self) {
        let mut signals = None;
        loop {
            if signals.is_none() {
                signals = self.store.signals(Wake::Outbox).await.ok();
            }
            let began = Instant::now();
            let looked = self.look().await;
            let rest = began.elapsed().clamp(LOOK_GAP.0, LOOK_GAP.1);
            match (looked, signals.as_mut()) {
                (Ok(true), _) => tokio::time::sleep(rest).await,
                (Ok(false), Some(signals)) => {
                    tokio::join!(signals.wait(LOOK_EVERY), tokio::time::sleep(rest));
                }
                (Ok(false), None) => tokio::time::sleep(LOOK_AGAIN).await,
                (Err(error), _) => {
                    tracing::warn!(error = %iroko_daemon::chain(&error), "the outbox could not be read; trying again");
                    signals = None;
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Takes what is new in the outbox. True where another look soon is worth while.
    async fn look(&self) -> Result<bool> {
        let mut conn = self.store.begin_planned().await?;
        let from = self.state().watermark;
        let tail = change_tail(&mut conn, from).await?;
        if tail.changes.is_empty() {
            return Ok(tail.more_soon);
        }
        let loaded = Loaded::of(&mut conn, &tail.changes, from).await?;
        drop(conn);
        let mut state = self.state();
        let touched = enter(&mut state.ring, &tail.changes, &loaded);
        state.networks.enter(&tail.changes, &loaded);
        state.watermark = tail.next;
        for host in touched {
            if let Some(waiting) = state.waiting.get(&host) {
                waiting.notify_waiters();
            }
        }
        Ok(tail.more_soon)
    }

    /// Answers a watcher: what changed since `after`, waiting up to `wait` for something. When the
    /// process ends it answers at once, so that the watcher goes on with the next one.
    pub async fn desired(&self, host: HostId, kind: AgentKind, after: &str, wait: Duration) -> Result<DesiredReply> {
        let until = Instant::now() + wait;
        loop {
            let notify = self.state().waiting.entry(host).or_default().clone();
            let mut woken = std::pin::pin!(notify.notified());
            // Armed before the look, so that a change in between is not missed.
            woken.as_mut().enable();
            let Some((news, watermark)) = self.news(host, kind, after) else {
                return self.everything(host, kind).await;
            };
            if !news.what.is_empty() || !news.consoles.is_empty() {
                return self.reply(host, news, watermark).await;
            }
            let woken = self.shutdown.run_until_cancelled(tokio::time::timeout_at(until, woken));
            if !matches!(woken.await, Some(Ok(()))) {
                break;
            }
        }
        // What was read meanwhile is not of this host: it need not be looked at again for it.
        match self.news(host, kind, after) {
            Some((news, watermark)) => self.reply(host, news, watermark).await,
            None => self.everything(host, kind).await,
        }
    }

    /// `None` where the watcher must get everything.
    fn news(&self, host: HostId, kind: AgentKind, after: &str) -> Option<(News, i64)> {
        let (epoch, revision) = after.rsplit_once(':')?;
        let revision: i64 = revision.parse().ok()?;
        let state = self.state();
        // A revision ahead of ours was given by another API process: nothing to say yet.
        let known = epoch == self.epoch && revision >= state.ring.floor();
        known.then(|| (state.ring.news(host, kind, revision), state.watermark.max(revision)))
    }

    async fn reply(&self, host: HostId, news: News, watermark: i64) -> Result<DesiredReply> {
        let joined: Vec<Uuid> =
            news.what.iter().filter_map(|w| if let What::Join(n) = w { Some(n.as_uuid()) } else { None }).collect();
        let mut joins = if joined.is_empty() { HashMap::new() } else { self.networks(host, &joined).await? };
        let begun: Vec<Need> =
            news.what.iter().filter_map(|w| if let What::Begin(need) = w { Some(*need) } else { None }).collect();
        let begun = if begun.is_empty() {
            HashMap::new()
        } else {
            let watermark = self.state().watermark;
            self.begun.told(&self.store, watermark, &begun).await?
        };
        // Of several joins the last one counts: what stands between them may be a leave.
        let told = news.what.into_iter().rev().flat_map(|what| match what {
            What::Change(change) => vec![change],
            What::Join(network) => joins.remove(&network).unwrap_or_default().into_iter().rev().collect(),
            What::Begin(need) => begun.get(&need).into_iter().flat_map(|told| told.iter().rev().cloned()).collect(),
            What::Console(_) => Vec::new(),
        });
        let mut changes: Vec<Change> = told.collect();
        changes.reverse();
        Ok(DesiredReply {
            revision: self.revision(watermark),
            full: false,
            changes,
            consoles_wanted: news.consoles,
            ..DesiredReply::default()
        })
    }

    fn revision(&self, watermark: i64) -> String {
        format!("{}:{watermark}", self.epoch)
    }

    /// Everything of one agent of a host. What is read is at least as new as the revision told; what
    /// changes meanwhile comes once more.
    async fn everything(&self, host: HostId, kind: AgentKind) -> Result<DesiredReply> {
        let revision = self.revision(self.state().watermark);
        let changes = match kind {
            AgentKind::Compute => {
                let mut conn = self.store.begin_planned().await?;
                let specs = desired::instance_specs(&mut conn, Instances::OfHost(host)).await?;
                specs.into_iter().map(|(_, spec)| Change::Set(Object::Instance(spec))).collect()
            }
            AgentKind::Net => {
                let mut conn = self.store.begin_planned().await?;
                let networks = desired::networks_of_host(&mut conn, host).await?;
                let needs = desired::needs(&mut conn, &[host.as_uuid()], &[], i64::MAX).await?;
                let needs: Vec<Need> = needs.into_iter().map(|of_host| of_host.need).collect();
                let needed = security::read(&mut conn, &needs).await?;
                drop(conn);
                let networks = self.read_networks(host, &networks).await?;
                networks.into_values().chain(needed.into_values()).flatten().collect()
            }
        };
        Ok(DesiredReply { revision, full: true, changes, ..DesiredReply::default() })
    }

    /// Networks as a host is to know them, at least as new as the watermark.
    async fn networks(&self, host: HostId, ids: &[Uuid]) -> Result<HashMap<NetworkId, Vec<Change>>> {
        let mut sets = HashMap::with_capacity(ids.len());
        let mut unknown = Vec::new();
        {
            let state = self.state();
            for id in ids {
                match state.networks.told(host, (*id).into()) {
                    Some(told) => drop(sets.insert((*id).into(), told)),
                    None => unknown.push(*id),
                }
            }
        }
        if !unknown.is_empty() {
            sets.extend(self.read_networks(host, &unknown).await?);
        }
        Ok(sets)
    }

    /// The same, as new as the database.
    async fn read_networks(&self, host: HostId, ids: &[Uuid]) -> Result<HashMap<NetworkId, Vec<Change>>> {
        let generation = self.state().networks.generation();
        let mut sets = HashMap::with_capacity(ids.len());
        let mut conn = self.store.begin_planned().await?;
        let specs = desired::network_specs(&mut conn, ids).await?;
        let mut ports: HashMap<NetworkId, Vec<BoundPort>> = HashMap::new();
        for bound in desired::bound_ports(&mut conn, Ports::OfNetworks(ids)).await? {
            ports.entry(bound.port.network_id).or_default().push(bound);
        }
        drop(conn);
        let mut state = self.state();
        for spec in specs {
            let (id, network) = (spec.id, Change::Set(Object::Network(spec)));
            let ports = ports.remove(&id).unwrap_or_default();
            sets.insert(id, networks::told(host, &network, ports.iter()));
            state.networks.learn(generation, id, &network, &ports);
        }
        Ok(sets)
    }
}

/// The objects that a batch of changes names, as they are now.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) instances: HashMap<Uuid, (HostId, Change)>,
    pub(super) ports: HashMap<Uuid, BoundPort>,
    pub(super) networks: HashMap<Uuid, Change>,
    pub(super) members: HashMap<Pair, Membership>,
    pub(super) groups: HashMap<Uuid, Change>,
    pub(super) address_sets: HashMap<Uuid, Change>,
    pub(super) needs: Needs,
}

impl Loaded {
    async fn of(conn: &mut Tx, rows: &[Row], from: i64) -> Result<Self> {
        let ids = |kind: ChangeKind| -> Vec<Uuid> {
            let ids: HashSet<Uuid> = rows.iter().filter(|row| row.kind == kind).map(|row| row.object_id).collect();
            ids.into_iter().collect()
        };
        let (instances, networks) = (ids(ChangeKind::Instance), ids(ChangeKind::Network));
        let mut ports = ids(ChangeKind::Port);
        ports.extend(ids(ChangeKind::PortLimits));
        let needs: Vec<Need> = rows.iter().filter_map(need).collect();
        let pairs: HashSet<Pair> = rows.iter().filter(|row| row.kind == ChangeKind::Port).filter_map(pair).collect();
        let pairs: Vec<_> = pairs.into_iter().collect();
        let mut loaded = Self::default();
        if !instances.is_empty() {
            let specs = desired::instance_specs(conn, Instances::Ids(&instances)).await?;
            loaded.instances = specs
                .into_iter()
                .map(|(host, spec)| (spec.id.as_uuid(), (host, Change::Set(Object::Instance(spec)))))
                .collect();
        }
        if !ports.is_empty() {
            let bound = desired::bound_ports(conn, Ports::Ids(&ports)).await?;
            loaded.ports = bound.into_iter().map(|bound| (bound.port.id.as_uuid(), bound)).collect();
        }
        if !networks.is_empty() {
            let specs = desired::network_specs(conn, &networks).await?;
            loaded.networks =
                specs.into_iter().map(|spec| (spec.id.as_uuid(), Change::Set(Object::Network(spec)))).collect();
        }
        if !pairs.is_empty() {
            let members = desired::memberships_among(conn, &pairs, from).await?;
            let kind = |steady| if steady { Membership::Steady } else { Membership::Fresh };
            loaded.members =
                members.into_iter().map(|(host, network, steady)| ((host, network), kind(steady))).collect();
        }
        for (need, told) in security::read(conn, &needs).await? {
            match need {
                Need::Group(id) => loaded.groups.extend(told.into_iter().map(|set| (id.as_uuid(), set))),
                Need::AddressSet(id) => loaded.address_sets.extend(told.into_iter().map(|set| (id.as_uuid(), set))),
                Need::Members(..) => {}
            }
        }
        loaded.needs = security::needs(conn, rows, from).await?;
        Ok(loaded)
    }

    fn turns(&self, rows: &[Row]) -> HashMap<usize, (Pair, Turn)> {
        let ports = rows.iter().enumerate().filter(|(_, row)| row.kind == ChangeKind::Port);
        let changes: Vec<_> = ports.filter_map(|(at, row)| Some((at, row.object_id, pair(row)?))).collect();
        let bound = |port| self.ports.get(&port).map(|bound| (bound.host_id, bound.port.network_id));
        turns(&changes, bound, &self.members)
    }
}

fn pair(row: &Row) -> Option<Pair> {
    row.host_id.zip(row.network_id).map(|(host, network)| (host.into(), network.into()))
}

/// The group or address set that a change names.
fn need(row: &Row) -> Option<Need> {
    match row.kind {
        ChangeKind::SecurityGroup => Some(Need::Group(row.object_id.into())),
        ChangeKind::AddressSet => Some(Need::AddressSet(row.object_id.into())),
        _ => None,
    }
}

/// Enters a batch into the ring; returns the hosts it concerns.
fn enter(ring: &mut Ring, rows: &[Row], loaded: &Loaded) -> HashSet<HostId> {
    let mut touched = HashSet::new();
    let turns = loaded.turns(rows);
    security::note(ring, &loaded.needs);
    let mut begins = security::begins(rows, &loaded.needs);
    for (at, row) in rows.iter().enumerate() {
        let turn = turns.get(&at).map(|((host, network), turn)| turned(ring, *host, *network, *turn));
        let begun = begins.remove(&at).unwrap_or_default();
        let begun = begun.into_iter().map(|(host, need)| (Scope::Host(host), What::Begin(need)));
        for (scope, what) in entries(row, loaded).into_iter().chain(turn).chain(begun) {
            touched.extend(ring.hosts_of(scope));
            ring.push(scope, row.revision, what);
        }
    }
    touched
}

/// A host joins or leaves a network. Keeps the ring's members up to date.
fn turned(ring: &mut Ring, host: HostId, network: NetworkId, turn: Turn) -> (Scope, What) {
    ring.set_member(host, network, turn == Turn::Join);
    let what = match turn {
        Turn::Join => What::Join(network),
        Turn::Leave => What::Change(Change::Gone(ObjectKey::Network(network))),
    };
    (Scope::Host(host), what)
}

/// What one change means to whom.
fn entries(row: &Row, loaded: &Loaded) -> Vec<(Scope, What)> {
    match row.kind {
        ChangeKind::Instance => instance_entry(row, loaded).into_iter().collect(),
        ChangeKind::Port => {
            let mut entries = port_entries(row, loaded);
            entries.extend(security::member_entries(row, loaded));
            entries
        }
        ChangeKind::PortLimits => limits_entry(row, loaded).into_iter().collect(),
        ChangeKind::Network => {
            let set = loaded.networks.get(&row.object_id).cloned().map(What::Change);
            set.map(|what| (Scope::Network(row.object_id.into()), what)).into_iter().collect()
        }
        ChangeKind::Console => {
            let what = What::Console(InstanceId::from(row.object_id));
            row.host_id.map(|host| (Scope::Host(host.into()), what)).into_iter().collect()
        }
        ChangeKind::SecurityGroup => {
            security::entry(Need::Group(row.object_id.into()), loaded.groups.get(&row.object_id))
        }
        ChangeKind::AddressSet => {
            security::entry(Need::AddressSet(row.object_id.into()), loaded.address_sets.get(&row.object_id))
        }
    }
}

fn instance_entry(row: &Row, loaded: &Loaded) -> Option<(Scope, What)> {
    let host = HostId::from(row.host_id?);
    let here = loaded.instances.get(&row.object_id).filter(|(on, _)| *on == host);
    let change = here.map_or_else(|| Change::Gone(ObjectKey::Instance(row.object_id.into())), |(_, set)| set.clone());
    Some((Scope::Host(host), What::Change(change)))
}

/// A port that is not there any more has a change of its own that says so.
fn limits_entry(row: &Row, loaded: &Loaded) -> Option<(Scope, What)> {
    let host = HostId::from(row.host_id?);
    let here = loaded.ports.get(&row.object_id).filter(|bound| bound.host_id == host)?;
    Some((Scope::Host(host), What::Change(Change::Set(Object::Port(here.port.clone())))))
}

fn port_entries(row: &Row, loaded: &Loaded) -> Vec<(Scope, What)> {
    let Some((host, network)) = pair(row) else { return Vec::new() };
    let bound = loaded.ports.get(&row.object_id);
    let port = match bound.filter(|bound| bound.host_id == host) {
        Some(bound) => Change::Set(Object::Port(bound.port.clone())),
        None => Change::Gone(ObjectKey::Port(row.object_id.into())),
    };
    let peer = match bound.and_then(|bound| bound.peer.clone()) {
        Some(peer) => Change::Set(Object::Peer(peer)),
        None => Change::Gone(ObjectKey::Peer(network, row.object_id.into())),
    };
    vec![(Scope::Host(host), What::Change(port)), (Scope::Network(network), What::Change(peer))]
}
