//! The one loop: woken by what changed, by the clock and by its own failures; one pass at a time.
//!
//! ```text
//!   changed keys ──> partial pass: compares the things of those keys with what was last seen
//!   every period ──> full pass: reads the kernel, compares all, mends, reads again (at most
//!                    ROUNDS times)
//!   a failure    ──> full pass after a back-off
//! ```
//!
//! After each pass every port that was looked at is reported: ready when its things and its
//! network's are in place, failed with the reason otherwise. Until anything is known of what is
//! desired, nothing is read or touched.

use crate::announce::{Announcement, Announcer};
use crate::apply;
use crate::config::Config;
use crate::cut::{self, Effect, Judge};
use crate::desired::Wanted;
use crate::host_facts::HostFacts;
use crate::kernel::{Kernel, KernelError};
use crate::object::{Key, State};
use crate::plan;
use crate::verify::{self, Outstanding};
use iroko_agent_link::{Backoff, DesiredHandle, Dirty, ReadyPorts, Reporter};
use iroko_agent_wire::{ObjectKey, PortObservation, PortSpec};
use iroko_model::port::PortState;
use iroko_model::reason::{Code, Reason};
use iroko_model::{HostId, PortId};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a full pass plans, applies and reads again before it leaves the rest to the next.
const ROUNDS: usize = 3;
/// First and longest wait after a pass that left something undone.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest reason that is told of a port.
const REASON_MAX_CHARS: usize = 500;
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Keeps the host as desired until `shutdown`; then returns and leaves everything running.
///
/// # Errors
/// Only where the host's own underlay address cannot be found at the start.
pub async fn run(
    config: Config,
    host_id: HostId,
    desired: DesiredHandle,
    reporter: Reporter,
    ready: ReadyPorts,
    kernel: Arc<dyn Kernel>,
    shutdown: CancellationToken,
) -> Result<(), crate::UnderlayError> {
    let facts = config.facts(host_id)?;
    let mut subscription = desired.subscribe();
    let period = Duration::from_secs(config.verify_period_s.max(1));
    let mut reconciler = Reconciler::new(facts, desired, reporter, ready, kernel);
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MOST);
    let mut next_full = Instant::now() + period;
    loop {
        let dirty = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            dirty = subscription.changed() => dirty,
            () = tokio::time::sleep_until(next_full) => Dirty { all: true, keys: HashSet::new() },
        };
        let seen = tokio::select! {
            // Half a pass is as good as any other state: the next agent's first pass goes on.
            () = shutdown.cancelled() => return Ok(()),
            seen = reconciler.pass(&dirty) => seen,
        };
        let now = Instant::now();
        if !seen.outstanding {
            backoff.reset();
            next_full = if seen.full { now + period } else { next_full };
        } else {
            let retry = now + backoff.next_wait().min(period);
            next_full = if seen.full { retry } else { next_full.min(retry) };
        }
    }
}

/// A reason that is no longer than what is told of a port: programs of others may say much.
fn shortened(reason: &str) -> String {
    if reason.chars().count() <= REASON_MAX_CHARS {
        return reason.to_owned();
    }
    reason.chars().take(REASON_MAX_CHARS - 1).chain(['…']).collect()
}

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassReport {
    /// Whether the kernel was read.
    pub full: bool,
    /// Actions tried.
    pub actions: usize,
    /// Whether anything is still not as desired.
    pub outstanding: bool,
}

/// The state between passes. [`run`] drives it; tests drive it pass by pass.
pub struct Reconciler {
    facts: HostFacts,
    desired: DesiredHandle,
    reporter: Reporter,
    ready: ReadyPorts,
    kernel: Arc<dyn Kernel>,
    wanted: Wanted,
    /// What the last full pass read, and what was done since. None: must be read first.
    observed: Option<State>,
    outstanding: Outstanding,
    /// Whether flows that may have to be cut were not judged.
    flows_unjudged: bool,
    /// Whether a flow may be cut now, which another member may let go on.
    may_be_cut: bool,
    reported: HashSet<PortId>,
    announcer: Announcer,
    /// Whether the operator was told that the table of flows is too small.
    told_of_flows: bool,
}

impl Reconciler {
    /// A reconciler that has not looked at anything yet.
    pub fn new(
        facts: HostFacts,
        desired: DesiredHandle,
        reporter: Reporter,
        ready: ReadyPorts,
        kernel: Arc<dyn Kernel>,
    ) -> Self {
        Self {
            facts,
            desired,
            reporter,
            ready,
            kernel,
            wanted: Wanted::default(),
            observed: None,
            outstanding: Outstanding::new(),
            flows_unjudged: false,
            may_be_cut: true,
            reported: HashSet::new(),
            announcer: Announcer::default(),
            told_of_flows: false,
        }
    }

    /// One pass over what is dirty.
    pub async fn pass(&mut self, dirty: &Dirty) -> PassReport {
        if !self.desired.read().known {
            return PassReport { full: false, actions: 0, outstanding: false };
        }
        match self.observed.take() {
            Some(observed) if !dirty.all => self.partial(&dirty.keys, observed).await,
            _ => self.full().await,
        }
    }

    /// What is not as desired after the last pass, and why.
    pub const fn outstanding(&self) -> &Outstanding {
        &self.outstanding
    }

    async fn partial(&mut self, keys: &HashSet<ObjectKey>, mut observed: State) -> PassReport {
        let touched = self.wanted.renew(keys, &self.desired.read(), &self.facts);
        let actions = plan::only(&self.wanted.state, &observed, &touched);
        let moved = self.announcer.after(&actions, &observed, &self.desired.read(), Instant::now());
        let failures = apply::apply(self.kernel.as_ref(), &actions, &mut observed).await;
        self.outstanding.retain(|key, _| !touched.contains(key));
        self.outstanding.extend(verify::outstanding(&failures));
        self.observed = Some(observed);
        self.announce(moved).await;
        match actions.iter().map(cut::effect).max() {
            Some(Effect::Any) => self.cut().await,
            Some(Effect::Restores) if self.may_be_cut => self.cut().await,
            _ => {}
        }
        let ports = self.concerned_ports(keys);
        self.report(&ports);
        PassReport { full: false, actions: actions.len(), outstanding: self.is_outstanding() }
    }

    async fn full(&mut self) -> PassReport {
        self.tell_of_flows();
        self.wanted = Wanted::all(&self.desired.read(), &self.facts);
        let mut actions = 0;
        match self.converge(&mut actions).await {
            Ok((observed, outstanding)) => {
                self.observed = Some(observed);
                self.outstanding = outstanding;
            }
            Err(error) => {
                tracing::error!(error = error.chain(), "the host's network could not be read");
                self.outstanding = [(Key::Base, error.chain())].into();
            }
        }
        self.cut().await;
        let ports: Vec<_> = self.desired.read().ports.values().cloned().collect();
        self.report(&ports);
        self.forget_ports();
        PassReport { full: true, actions, outstanding: self.is_outstanding() }
    }

    /// Once, each time there begin to be more ports than the host's table of flows has room for.
    fn tell_of_flows(&mut self) {
        let (ports, room_for) = (crate::flows::sharers(&self.desired.read()), self.facts.flows.ports());
        let too_small = u32::try_from(ports).is_ok_and(|ports| ports > room_for);
        if too_small && !self.told_of_flows {
            let table = self.facts.flows.table;
            tracing::warn!(
                ports,
                room_for,
                table,
                "the host's table of connections is too small for its ports: raise net.netfilter.nf_conntrack_max"
            );
        }
        self.told_of_flows = too_small;
    }

    fn is_outstanding(&self) -> bool {
        self.flows_unjudged || !self.outstanding.is_empty()
    }

    /// Cuts the flows that the rules no longer allow, and lets those go on that they allow again.
    async fn cut(&mut self) {
        let judge = Judge::new(&self.desired.read());
        let outcome = match self.kernel.flows().await {
            Ok(flows) => {
                let verdicts = judge.judge(flows);
                self.may_be_cut = verdicts.cut > 0;
                let cut = verdicts.changes.iter().filter(|(_, cut)| *cut).count();
                if !verdicts.changes.is_empty() {
                    tracing::info!(cut, restored = verdicts.changes.len() - cut, "established flows follow the rules");
                }
                self.kernel.mark(verdicts.changes).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            tracing::error!(error = error.chain(), "established flows could not be judged");
        }
        self.flows_unjudged = outcome.is_err();
    }

    /// Plans, applies and reads again until nothing differs, a round changes nothing for the
    /// better, or the rounds are used up.
    /// An instance that was not told finds out by itself, later.
    async fn announce(&self, moved: Vec<Announcement>) {
        if moved.is_empty() {
            return;
        }
        if let Err(error) = self.kernel.announce(moved).await {
            tracing::debug!(error = error.chain(), "an address has passed to another instance");
        }
    }

    async fn converge(&mut self, tried: &mut usize) -> Result<(State, Outstanding), KernelError> {
        let mut observed = self.kernel.observe().await?;
        let mut failures = apply::Failures::new();
        for _ in 0..ROUNDS {
            let actions = plan::all(&self.wanted.state, &observed);
            if actions.is_empty() {
                return Ok((observed, Outstanding::new()));
            }
            *tried += actions.len();
            let moved = self.announcer.after(&actions, &observed, &self.desired.read(), Instant::now());
            failures = apply::apply(self.kernel.as_ref(), &actions, &mut observed).await;
            self.announce(moved).await;
            observed = self.kernel.observe().await?;
            if !failures.is_empty() {
                break;
            }
        }
        let outstanding = verify::verify(&self.wanted.state, &observed, &failures);
        Ok((observed, outstanding))
    }

    fn concerned_ports(&mut self, keys: &HashSet<ObjectKey>) -> Vec<Arc<PortSpec>> {
        let desired = self.desired.read();
        let networks: HashSet<_> =
            keys.iter().filter_map(|key| if let ObjectKey::Network(id) = key { Some(*id) } else { None }).collect();
        let gone: Vec<PortId> = self.reported.iter().filter(|id| !desired.ports.contains_key(id)).copied().collect();
        let concerns =
            |port: &PortSpec| keys.contains(&ObjectKey::Port(port.id)) || networks.contains(&port.network_id);
        let ports = if networks.is_empty() {
            keys.iter()
                .filter_map(|key| if let ObjectKey::Port(id) = key { desired.ports.get(id) } else { None })
                .cloned()
                .collect()
        } else {
            desired.ports.values().filter(|port| concerns(port)).cloned().collect()
        };
        drop(desired);
        gone.into_iter().for_each(|id| self.forget(id));
        ports
    }

    fn report(&mut self, ports: &[Arc<PortSpec>]) {
        for port in ports {
            let reason = self.why_not_ready(port);
            let marked = if reason.is_none() { self.ready.mark(port.id) } else { self.ready.clear(port.id) };
            let reason =
                reason.or_else(|| marked.err().map(|error| format!("the port could not be marked ready: {error}")));
            let reason = reason.map(|text| Reason::new(Code::NetworkFailed, shortened(&text)));
            let state = if reason.is_none() { PortState::Ready } else { PortState::Failed };
            self.reporter.port(PortObservation { id: port.id, generation: port.generation, state, reason });
            self.reported.insert(port.id);
        }
    }

    fn why_not_ready(&self, port: &PortSpec) -> Option<String> {
        if let Some(reason) = self.outstanding.get(&Key::Base) {
            return Some(reason.clone());
        }
        let mut keys = self.wanted.keys_of_port(port).peekable();
        if keys.peek().is_none() || !self.wanted.state.contains_key(&Key::Tap(port.tap.clone())) {
            return Some("its network is not known on this host".to_owned());
        }
        keys.find_map(|key| self.outstanding.get(key).cloned())
    }

    /// Forgets ports that are no longer desired, those of an agent before this one included.
    fn forget_ports(&mut self) {
        let mut known: HashSet<PortId> = self.reported.clone();
        known.extend(self.ready.all().unwrap_or_default());
        let gone: Vec<PortId> = {
            let desired = self.desired.read();
            known.into_iter().filter(|id| !desired.ports.contains_key(id)).collect()
        };
        gone.into_iter().for_each(|id| self.forget(id));
    }

    fn forget(&mut self, id: PortId) {
        if let Err(error) = self.ready.clear(id) {
            tracing::warn!(port = %id, %error, "the mark of a port that is gone could not be cleared");
        }
        self.reporter.port_gone(id);
        self.reported.remove(&id);
    }
}

#[cfg(test)]
mod tests;
