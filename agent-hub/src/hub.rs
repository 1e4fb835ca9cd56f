//! What agents watch.
//!
//! ```text
//!   outbox ──tail──> one reader per API process ──load each object once──> ring ──> long polls
//!                    (woken by signals, polling as truth)                  by host and by need
//! ```
//!
//! A change is read from the database once per process, whatever the number of hosts that hear of it;
//! a port that moves is one small object for each host of its network ([`crate::graph`]). A watcher that comes with a
//! revision the ring no longer knows, or of another history, gets everything of its host.
//!
//! A revision `EPOCH:N` held by an agent means: it has seen everything below N. N is one more than the number
//! of a change that was read, and so of a transaction that no crash of the database takes back. The epoch names the
//! history of the database and the kinds of changes that the process knows: what a process of an older release passed
//! over is sent by the next one, because it gives everything for a revision of an epoch that is not its own.

use crate::batch::{Notice, Scope};
use crate::graph::{Graph, Meaning};
use crate::ring::{ENTRIES_MAX, News, Ring};
use iroko_agent_wire::{AgentKind, Change, DesiredReply, Need};
use iroko_model::HostId;
use iroko_store::change::{Change as Row, ChangeKind, change_epoch, change_floor, change_tail};
use iroko_store::{Result, Store, Wake};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest time between two looks at the outbox.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two looks, and longest: what comes in the meantime is read and sent together.
/// In between it rests as long as it worked, so that under load requests go before news.
const LOOK_GAP: (Duration, Duration) = (Duration::from_millis(8), Duration::from_millis(100));
/// Next look after a failure.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct State {
    ring: Ring,
    watermark: i64,
    waiting: HashMap<HostId, Arc<Notify>>,
}

/// See the module.
#[derive(Debug)]
pub struct Hub {
    store: Store,
    epoch: String,
    state: Mutex<State>,
    graph: Graph,
    shutdown: CancellationToken,
}

impl Hub {
    /// Reads what the outbox still holds and makes a hub that goes on from there.
    pub async fn start(store: Store, shutdown: CancellationToken) -> Result<Arc<Self>> {
        let mut conn = store.connection().await?;
        let epoch = format!("{}.{}", change_epoch(&mut conn).await?, vocabulary());
        let floor = change_floor(&mut conn, i64::try_from(ENTRIES_MAX / 2).unwrap_or(i64::MAX)).await?;
        let graph = Graph::default();
        let mut ring = Ring::new(floor);
        // Before the first look, which asks the ring which hosts need what a batch changes.
        drop(conn);
        for (host, needs) in graph.learn(&mut store.begin_planned().await?).await? {
            ring.set_needs(host, needs.into_keys().collect());
        }
        let state = State { ring, watermark: floor, waiting: HashMap::new() };
        let hub = Arc::new(Self { store, epoch, state: Mutex::new(state), graph, shutdown });
        hub.look().await?;
        let follower = hub.clone();
        tokio::spawn(async move { follower.shutdown.run_until_cancelled(follower.follow()).await });
        Ok(hub)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything below this revision of the outbox has been read.
    pub fn read_up_to(&self) -> i64 {
        self.state().watermark
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
        if !tail.unknown.is_empty() {
            tracing::warn!(kinds = ?tail.unknown, "changes of kinds that a newer release knows are passed over");
        }
        if tail.next == from {
            return Ok(tail.more_soon);
        }
        let hosts_that = |need| self.state().ring.hosts_of(Scope::Need(need));
        let meaning = self.graph.read(&mut conn, &tail.changes, from, hosts_that).await?;
        drop(conn);
        let mut state = self.state();
        let touched = enter(&mut state.ring, &tail.changes, meaning);
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
    pub async fn desired(&self, host: HostId, agent: AgentKind, after: &str, wait: Duration) -> Result<DesiredReply> {
        let until = Instant::now() + wait;
        loop {
            let notify = self.state().waiting.entry(host).or_default().clone();
            let mut woken = std::pin::pin!(notify.notified());
            // Armed before the look, so that a change in between is not missed.
            woken.as_mut().enable();
            let Some((news, watermark)) = self.news(host, agent, after) else {
                return self.everything(host, agent).await;
            };
            if !news.notices.is_empty() || !news.consoles.is_empty() {
                return self.reply(news, watermark).await;
            }
            let woken = self.shutdown.run_until_cancelled(tokio::time::timeout_at(until, woken));
            if !matches!(woken.await, Some(Ok(()))) {
                break;
            }
        }
        // What was read meanwhile is not of this host: it need not be looked at again for it.
        match self.news(host, agent, after) {
            Some((news, watermark)) => self.reply(news, watermark).await,
            None => self.everything(host, agent).await,
        }
    }

    /// `None` where the watcher must get everything.
    fn news(&self, host: HostId, agent: AgentKind, after: &str) -> Option<(News, i64)> {
        let (epoch, revision) = after.rsplit_once(':')?;
        let revision: i64 = revision.parse().ok()?;
        let state = self.state();
        // A revision ahead of ours was given by another API process: nothing to say yet.
        let known = epoch == self.epoch && revision >= state.ring.floor();
        known.then(|| (state.ring.news(host, agent, revision), state.watermark.max(revision)))
    }

    async fn reply(&self, news: News, watermark: i64) -> Result<DesiredReply> {
        let begins = |notice: &Notice| if let Notice::Begin(need) = notice { Some(*need) } else { None };
        let needs: Vec<Need> = news.notices.iter().filter_map(begins).collect();
        // At least as new as what is said of them after it.
        let newest = self.state().watermark;
        let documents = self.graph.documents(&self.store, newest, &needs).await?;
        let changes = news.notices.into_iter().flat_map(|notice| match notice {
            Notice::Change(change) => vec![change],
            Notice::Begin(need) => documents.get(&need).map(|document| document.to_vec()).unwrap_or_default(),
            Notice::Console(_) => Vec::new(),
        });
        Ok(DesiredReply {
            revision: self.revision(watermark),
            full: false,
            changes: changes.collect(),
            consoles_wanted: news.consoles,
            ..DesiredReply::default()
        })
    }

    fn revision(&self, watermark: i64) -> String {
        format!("{}:{watermark}", self.epoch)
    }

    /// Everything of one agent of a host. What is read is at least as new as the revision given; what
    /// changes meanwhile comes once more.
    async fn everything(&self, host: HostId, agent: AgentKind) -> Result<DesiredReply> {
        let revision = self.revision(self.state().watermark);
        let objects = self.graph.everything(&self.store, host, agent).await?;
        let changes = objects.into_iter().map(Change::Set).collect();
        Ok(DesiredReply { revision, full: true, changes, ..DesiredReply::default() })
    }
}

/// Names the kinds of changes that this release knows, in few characters (FNV-1a of their words).
fn vocabulary() -> String {
    let octets = ChangeKind::ALL.into_iter().flat_map(|kind| kind.as_str().bytes().chain([0]));
    let hash = octets.fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    format!("{hash:x}")
}

/// Enters a batch into the ring; returns the hosts it concerns.
fn enter(ring: &mut Ring, rows: &[Row], meaning: Meaning) -> HashSet<HostId> {
    for (host, needs) in meaning.needs {
        ring.set_needs(host, needs.into_keys().collect());
    }
    let mut touched = HashSet::new();
    for entry in meaning.entries {
        touched.extend(ring.hosts_of(entry.scope));
        ring.push(entry.scope, rows[entry.at].revision, entry.notice);
    }
    touched
}
