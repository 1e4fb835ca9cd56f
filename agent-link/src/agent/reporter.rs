//! Gathers what the agent saw until the link can send it.
//!
//! Only the latest observation of an object counts, so the queue is a map and its size is bounded
//! by the number of objects. What was sent is kept too: a new session (the control plane may have
//! been restored from yesterday's backup) repeats everything.

use crate::wire::{ConsoleLog, DiskRoom, InstanceObservation, PortObservation};
use iroko_model::instance::ObservedState;
use iroko_model::{InstanceId, PortId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Most observations in one report; the rest follows in the next.
pub const REPORT_MAX: usize = 500;

#[derive(Debug, Default)]
struct Seen {
    instances: HashMap<InstanceId, InstanceObservation>,
    ports: HashMap<PortId, PortObservation>,
    consoles: HashMap<InstanceId, ConsoleLog>,
    unsent_instances: HashSet<InstanceId>,
    unsent_ports: HashSet<PortId>,
    disk: Option<DiskRoom>,
    disk_told: Option<DiskRoom>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Seen>,
    wake: Notify,
    consoles_wanted: watch::Sender<HashSet<InstanceId>>,
}

/// Cheap to clone; all clones feed one link.
#[derive(Debug, Clone)]
pub struct Reporter(Arc<Shared>);

/// What one report carries.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Machines.
    pub instances: Vec<InstanceObservation>,
    /// Ports.
    pub ports: Vec<PortObservation>,
    /// Console tails.
    pub consoles: Vec<ConsoleLog>,
    /// Room on the host's disk.
    pub disk: Option<DiskRoom>,
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
        }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was seen of a machine. Saying the same again costs nothing on the wire.
    pub fn instance(&self, observation: InstanceObservation) {
        let mut seen = self.seen();
        if seen.instances.get(&observation.id) == Some(&observation) {
            return;
        }
        seen.unsent_instances.insert(observation.id);
        seen.instances.insert(observation.id, observation);
        self.0.wake.notify_one();
    }

    /// Notes what was seen of a port.
    pub fn port(&self, observation: PortObservation) {
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
    pub fn console(&self, log: ConsoleLog) {
        self.seen().consoles.insert(log.id, log);
        self.0.wake.notify_one();
    }

    /// Machines whose console somebody waits for, as last told by the control plane.
    pub fn consoles_wanted(&self) -> watch::Receiver<HashSet<InstanceId>> {
        self.0.consoles_wanted.subscribe()
    }

    /// What was last noted of a machine.
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

    /// For the link: up to [`REPORT_MAX`] unsent observations, still unsent until [`Self::sent`].
    pub fn batch(&self) -> Batch {
        let seen = self.seen();
        let instances: Vec<_> =
            seen.unsent_instances.iter().take(REPORT_MAX).filter_map(|id| seen.instances.get(id)).cloned().collect();
        let room = REPORT_MAX - instances.len();
        let ports = seen.unsent_ports.iter().take(room).filter_map(|id| seen.ports.get(id)).cloned().collect();
        Batch {
            instances,
            ports,
            consoles: seen.consoles.values().cloned().collect(),
            disk: seen.disk.filter(|now| seen.disk_told != Some(*now)),
        }
    }

    /// For the link: the batch has arrived. What changed since it was taken stays unsent; a machine
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
    }

    /// For the link: a new session begins, everything known is to be told again.
    pub fn resend_all(&self) {
        let mut seen = self.seen();
        seen.unsent_instances = seen.instances.keys().copied().collect();
        seen.unsent_ports = seen.ports.keys().copied().collect();
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
            && !self.is_disk_news()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: InstanceId, state: ObservedState) -> InstanceObservation {
        InstanceObservation { id, generation: 1, state, reboots: 0, reason: None, condition: None }
    }

    #[test]
    fn a_disk_is_told_when_it_changes_and_to_each_session() {
        let reporter = Reporter::new();
        let room = |free_mib, is_full| DiskRoom { total_mib: 100, free_mib, is_full };
        let is_waiting = |reporter: &Reporter| !reporter.seen().is_sent();
        let tell = |reporter: &Reporter| {
            let batch = reporter.batch();
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
        let in_flight = reporter.batch();
        reporter.instance(seen(id, ObservedState::Running));
        reporter.sent(&in_flight);
        let next = reporter.batch();
        assert_eq!(next.instances, [seen(id, ObservedState::Running)]);
        reporter.sent(&next);
        assert!(reporter.batch().instances.is_empty());
        reporter.instance(seen(id, ObservedState::Running));
        assert!(reporter.batch().instances.is_empty(), "the same again is not news");
        reporter.resend_all();
        assert_eq!(reporter.batch().instances.len(), 1);
        reporter.instance(seen(id, ObservedState::Absent));
        reporter.sent(&reporter.batch());
        assert_eq!(reporter.last_instance(id), None);
    }
}
