//! Gathers what the agent saw until the link can send it.
//!
//! A report has a bound in number and in octets, by construction ([`Reporter::batch`]): what does not fit follows in the
//! next. One that the control plane cannot take all the same is sent in halves until the one observation is found that
//! it does not take; that is dropped and counted, never sent as it is for ever.
//!
//! Only the latest observation of an object counts, so the queue is a map and its size is bounded
//! by the number of objects. What was sent is kept too: a new session (the control plane may have
//! been restored from yesterday's backup) repeats everything.

use iroko_agent_wire::{
    ConsoleLog, DiskRoom, InstanceObservation, OrphanObservation, PortObservation, REASON_MAX_CHARS, Report,
};
use iroko_model::instance::ObservedState;
use iroko_model::reason::Reason;
use iroko_model::{InstanceId, PortId};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Most octets in one report, about: far below what the control plane takes.
const REPORT_MAX_BYTES: usize = 1 << 20;
/// Octets of an observation beside its texts, at most.
const OBSERVATION_BYTES: usize = 320;
/// Octets that JSON may make of one octet of a text.
const ESCAPED: usize = 6;

/// Names an orphan.
type OrphanKey = (InstanceId, Option<PortId>);

#[derive(Debug, Default)]
struct Seen {
    instances: HashMap<InstanceId, InstanceObservation>,
    ports: HashMap<PortId, PortObservation>,
    consoles: HashMap<InstanceId, ConsoleLog>,
    orphans: HashMap<OrphanKey, OrphanObservation>,
    unsent_instances: HashSet<InstanceId>,
    unsent_ports: HashSet<PortId>,
    unsent_orphans: HashSet<OrphanKey>,
    disk: Option<DiskRoom>,
    disk_told: Option<DiskRoom>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Seen>,
    wake: Notify,
    consoles_wanted: watch::Sender<HashSet<InstanceId>>,
    dropped: AtomicU64,
}

/// Cheap to clone; all clones feed one link.
#[derive(Debug, Clone)]
pub struct Reporter(Arc<Shared>);

/// What one report carries.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Instances.
    pub instances: Vec<InstanceObservation>,
    /// Ports.
    pub ports: Vec<PortObservation>,
    /// Console tails.
    pub consoles: Vec<ConsoleLog>,
    /// What nobody named.
    pub orphans: Vec<OrphanObservation>,
    /// Room on the host's disk.
    pub disk: Option<DiskRoom>,
}

impl Batch {
    /// How much is in it.
    pub const fn len(&self) -> usize {
        self.instances.len() + self.ports.len() + self.consoles.len() + self.orphans.len()
    }

    /// True where there is nothing to tell but that the agent is there.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

impl Reporter {
    /// A reporter with nothing to say.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            seen: Mutex::default(),
            wake: Notify::new(),
            consoles_wanted: watch::Sender::default(),
            dropped: AtomicU64::new(0),
        }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was seen of an instance. Saying the same again costs nothing on the wire.
    pub fn instance(&self, mut observation: InstanceObservation) {
        observation.reason = observation.reason.map(short);
        let mut seen = self.seen();
        if seen.instances.get(&observation.id) == Some(&observation) {
            return;
        }
        seen.unsent_instances.insert(observation.id);
        seen.instances.insert(observation.id, observation);
        self.0.wake.notify_one();
    }

    /// Notes what was seen of a port.
    pub fn port(&self, mut observation: PortObservation) {
        observation.reason = observation.reason.map(short);
        let mut seen = self.seen();
        if seen.ports.get(&observation.id) == Some(&observation) {
            return;
        }
        seen.unsent_ports.insert(observation.id);
        seen.ports.insert(observation.id, observation);
        self.0.wake.notify_one();
    }

    /// Forgets a port that is no longer desired here.
    pub fn port_gone(&self, id: PortId) {
        let mut seen = self.seen();
        seen.ports.remove(&id);
        seen.unsent_ports.remove(&id);
    }

    /// Notes what was seen of something that nobody named. What was never there is not told to be gone.
    pub fn orphan(&self, observation: OrphanObservation) {
        let key = (observation.instance_id, observation.port_id);
        let mut seen = self.seen();
        let before = seen.orphans.get(&key);
        if before == Some(&observation) || before.is_none() && !observation.is_there {
            return;
        }
        seen.unsent_orphans.insert(key);
        seen.orphans.insert(key, observation);
        self.0.wake.notify_one();
    }

    /// Notes which ports nobody named; those noted before and not among them are gone or wanted again.
    pub fn orphan_ports(&self, ports: Vec<OrphanObservation>) {
        let now: HashSet<OrphanKey> = ports.iter().map(|port| (port.instance_id, port.port_id)).collect();
        let over = |port: &&OrphanObservation| {
            port.port_id.is_some() && port.is_there && !now.contains(&(port.instance_id, port.port_id))
        };
        let over: Vec<_> = self.seen().orphans.values().filter(over).cloned().collect();
        over.into_iter().for_each(|port| self.orphan(OrphanObservation { is_there: false, ..port }));
        ports.into_iter().for_each(|port| self.orphan(port));
    }

    /// Notes how much room the host's disk has. It goes with the next report; where it has become full, or has
    /// room again, a report is made for it.
    pub fn disk(&self, room: DiskRoom) {
        let mut seen = self.seen();
        seen.disk = Some(room);
        if seen.is_disk_news() {
            self.0.wake.notify_one();
        }
    }

    /// Sends a console tail that was wanted.
    pub fn console(&self, mut log: ConsoleLog) {
        if let Some(over) = log.tail.len().checked_sub(ConsoleLog::MAX_BYTES).filter(|over| *over > 0) {
            let from = (over..log.tail.len()).find(|at| log.tail.is_char_boundary(*at)).unwrap_or(log.tail.len());
            log.tail.drain(..from);
        }
        self.seen().consoles.insert(log.id, log);
        self.0.wake.notify_one();
    }

    /// Instances whose console somebody waits for, as last told by the control plane.
    pub fn consoles_wanted(&self) -> watch::Receiver<HashSet<InstanceId>> {
        self.0.consoles_wanted.subscribe()
    }

    /// What was last noted of an instance.
    pub fn last_instance(&self, id: InstanceId) -> Option<InstanceObservation> {
        self.seen().instances.get(&id).cloned()
    }

    /// What was last noted of a port.
    pub fn last_port(&self, id: PortId) -> Option<PortObservation> {
        self.seen().ports.get(&id).cloned()
    }

    /// For the link: waits until there is something to send.
    pub async fn wait_unsent(&self) {
        loop {
            let wake = self.0.wake.notified();
            if !self.seen().is_sent() {
                return;
            }
            wake.await;
        }
    }

    /// For the link: up to `most` unsent observations (at most [`Report::MAX`]) of bounded size, still unsent until
    /// [`Self::sent`].
    pub fn batch(&self, most: usize) -> Batch {
        let seen = self.seen();
        let mut room = Room { items: most.min(Report::MAX), bytes: REPORT_MAX_BYTES };
        let reason = |reason: &Option<Reason>| reason.as_ref().map_or(0, |why| why.text.len().saturating_mul(ESCAPED));
        let instances = seen.unsent_instances.iter().filter_map(|id| seen.instances.get(id));
        let instances = instances.take_while(|one| room.take(reason(&one.reason))).cloned().collect();
        let ports = seen.unsent_ports.iter().filter_map(|id| seen.ports.get(id));
        let ports = ports.take_while(|one| room.take(reason(&one.reason))).cloned().collect();
        let consoles = seen.consoles.values();
        let consoles = consoles.take_while(|log| room.take(log.tail.len().saturating_mul(ESCAPED))).cloned().collect();
        let spec = |orphan: &OrphanObservation| {
            let bytes = orphan.spec.as_ref().and_then(|spec| serde_json::to_vec(spec).ok());
            bytes.map_or(0, |bytes| bytes.len())
        };
        let orphans = seen.unsent_orphans.iter().filter_map(|key| seen.orphans.get(key));
        let orphans = orphans.take_while(|one| room.take(spec(one))).cloned().collect();
        let disk = seen.disk.filter(|now| seen.disk_told != Some(*now));
        Batch { instances, ports, consoles, orphans, disk }
    }

    /// For the link: what can never be told is told no more. Returns how many observations were dropped so far.
    pub fn drop_batch(&self, batch: &Batch) -> u64 {
        self.sent(batch);
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.0.dropped.fetch_add(count, Ordering::Relaxed).saturating_add(count)
    }

    /// For the link: everything that nobody named is to be told again.
    pub fn resend_orphans(&self) {
        let mut seen = self.seen();
        seen.unsent_orphans = seen.orphans.keys().copied().collect();
        self.0.wake.notify_one();
    }

    /// For the link: the batch has arrived. What changed since it was taken stays unsent; an instance
    /// whose absence was told is forgotten.
    pub fn sent(&self, batch: &Batch) {
        let mut seen = self.seen();
        seen.disk_told = batch.disk.or(seen.disk_told);
        for told in &batch.instances {
            if seen.instances.get(&told.id) == Some(told) {
                seen.unsent_instances.remove(&told.id);
                if told.state == ObservedState::Absent {
                    seen.instances.remove(&told.id);
                }
            }
        }
        for told in &batch.ports {
            if seen.ports.get(&told.id) == Some(told) {
                seen.unsent_ports.remove(&told.id);
            }
        }
        for told in &batch.consoles {
            if seen.consoles.get(&told.id) == Some(told) {
                seen.consoles.remove(&told.id);
            }
        }
        for told in &batch.orphans {
            let key = (told.instance_id, told.port_id);
            if seen.orphans.get(&key) == Some(told) {
                seen.unsent_orphans.remove(&key);
                if !told.is_there {
                    seen.orphans.remove(&key);
                }
            }
        }
    }

    /// For the link: a new session begins, everything known is to be told again.
    pub fn resend_all(&self) {
        let mut seen = self.seen();
        seen.unsent_instances = seen.instances.keys().copied().collect();
        seen.unsent_ports = seen.ports.keys().copied().collect();
        seen.unsent_orphans = seen.orphans.keys().copied().collect();
        seen.disk_told = None;
        self.0.wake.notify_one();
    }

    /// For the link: passes on what consoles the control plane wants.
    pub fn want_consoles(&self, wanted: HashSet<InstanceId>) {
        self.0.consoles_wanted.send_if_modified(|old| {
            let changed = *old != wanted || !wanted.is_empty();
            *old = wanted;
            changed
        });
    }
}

impl Seen {
    /// What is worth a report of its own: that the disk became full, or has room again.
    fn is_disk_news(&self) -> bool {
        self.disk.is_some_and(|now| self.disk_told.is_none_or(|told| told.is_full != now.is_full))
    }

    fn is_sent(&self) -> bool {
        self.unsent_instances.is_empty()
            && self.unsent_ports.is_empty()
            && self.consoles.is_empty()
            && self.unsent_orphans.is_empty()
            && !self.is_disk_news()
    }
}

/// What a report still has room for. The first observation always fits: each has a bound of its own.
struct Room {
    items: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, texts: usize) -> bool {
        let needed = texts.saturating_add(OBSERVATION_BYTES);
        if self.items == 0 || needed > self.bytes && self.bytes < REPORT_MAX_BYTES {
            self.items = 0;
            return false;
        }
        self.items -= 1;
        self.bytes = self.bytes.saturating_sub(needed);
        true
    }
}

/// A reason of bounded length.
fn short(mut reason: Reason) -> Reason {
    if let Some((end, _)) = reason.text.char_indices().nth(REASON_MAX_CHARS) {
        reason.text.truncate(end);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::reason::Code;

    fn seen(id: InstanceId, state: ObservedState) -> InstanceObservation {
        InstanceObservation::new(id, 1, state)
    }

    #[test]
    fn a_report_has_a_bound_whatever_is_told() {
        let reporter = Reporter::new();
        for _ in 0..2000 {
            let reason = Some(Reason::new(Code::Other, "\u{1}".repeat(100_000)));
            reporter.instance(InstanceObservation { reason, ..seen(InstanceId::new(), ObservedState::Failed) });
        }
        for _ in 0..50 {
            reporter.console(ConsoleLog { id: InstanceId::new(), tail: "\u{1b}".repeat(1 << 20) });
        }
        let (mut reports, mut told) = (0, 0);
        while !reporter.seen().is_sent() {
            let batch = reporter.batch(Report::MAX);
            let report = iroko_agent_wire::Report {
                instances: batch.instances.clone(),
                consoles: batch.consoles.clone(),
                ..iroko_agent_wire::Report::heartbeat(iroko_agent_wire::AgentKind::Compute, 1, 1)
            };
            assert!(!batch.is_empty() && batch.len() <= Report::MAX);
            assert!(serde_json::to_vec(&report).unwrap().len() < 3 << 20, "far below what is taken");
            (reports, told) = (reports + 1, told + batch.len());
            reporter.sent(&batch);
        }
        assert!(told == 2050 && reports < 100, "{told} in {reports}");
    }

    #[test]
    fn orphans_are_told_until_they_are_none() {
        let reporter = Reporter::new();
        let port = |is_there| OrphanObservation {
            instance_id: InstanceId::new(),
            port_id: Some(PortId::new()),
            network_id: None,
            is_there,
            is_running: false,
            spec: None,
        };
        reporter.orphan(port(false));
        assert!(reporter.batch(9).is_empty(), "what was never there");
        let (one, two) = (port(true), port(true));
        reporter.orphan_ports(vec![one.clone(), two.clone()]);
        reporter.sent(&reporter.batch(9));
        reporter.orphan_ports(vec![two]);
        let told = reporter.batch(9);
        assert_eq!(told.orphans, [OrphanObservation { is_there: false, ..one }]);
        reporter.sent(&told);
        reporter.resend_all();
        assert_eq!(reporter.batch(9).orphans.len(), 1);
    }

    #[test]
    fn a_disk_is_told_when_it_changes_and_to_each_session() {
        let reporter = Reporter::new();
        let room = |free_mib, is_full| DiskRoom { total_mib: 100, free_mib, is_full };
        let is_waiting = |reporter: &Reporter| !reporter.seen().is_sent();
        let tell = |reporter: &Reporter| {
            let batch = reporter.batch(Report::MAX);
            reporter.sent(&batch);
            batch.disk
        };
        reporter.disk(room(50, false));
        assert!(is_waiting(&reporter));
        assert_eq!(tell(&reporter), Some(room(50, false)));
        reporter.disk(room(50, false));
        assert_eq!(tell(&reporter), None, "the same again is not news");
        reporter.disk(room(40, false));
        assert!(!is_waiting(&reporter), "it goes with the next report");
        assert_eq!(tell(&reporter), Some(room(40, false)));
        reporter.disk(room(0, true));
        assert!(is_waiting(&reporter), "full: at once");
        assert_eq!(tell(&reporter), Some(room(0, true)));
        reporter.resend_all();
        assert_eq!(tell(&reporter), Some(room(0, true)));
    }

    #[tokio::test]
    async fn only_the_latest_counts_and_nothing_is_lost_in_flight() {
        let (reporter, id) = (Reporter::new(), InstanceId::new());
        reporter.instance(seen(id, ObservedState::Preparing));
        reporter.wait_unsent().await;
        let in_flight = reporter.batch(Report::MAX);
        reporter.instance(seen(id, ObservedState::Running));
        reporter.sent(&in_flight);
        let next = reporter.batch(Report::MAX);
        assert_eq!(next.instances, [seen(id, ObservedState::Running)]);
        reporter.sent(&next);
        assert!(reporter.batch(Report::MAX).instances.is_empty());
        reporter.instance(seen(id, ObservedState::Running));
        assert!(reporter.batch(Report::MAX).instances.is_empty(), "the same again is not news");
        reporter.resend_all();
        assert_eq!(reporter.batch(Report::MAX).instances.len(), 1);
        reporter.instance(seen(id, ObservedState::Absent));
        reporter.sent(&reporter.batch(Report::MAX));
        assert_eq!(reporter.last_instance(id), None);
    }
}
