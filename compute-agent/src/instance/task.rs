//! One task an instance: look, decide, act, report, until there is nothing to do; then rest until
//! something wakes it. No other code touches the instance, so no two acts on it ever overlap.
//!
//! What wakes it: a change of what is desired, a difference seen by the periodic pass, a hint of
//! the hypervisor, its ports becoming ready, or a clock of its own.

use super::act::{self, StepInput};
use super::facts::{Facts, Ports, Want};
use super::failure::{StepError, Verdict, chain};
use super::operation;
use super::record::{Life, OperationState, Record};
use super::retry_state::RetryState;
use super::state;
use super::step::{Progress, Rest, Step};
use crate::definition::Definition;
use crate::host::{Host, Wanted};
use crate::hypervisor::DomainState;
use crate::storage::Held;
use iroko_agent_wire::{Condition, DefinitionPart, InstanceObservation, InstanceSpec, OrphanObservation};
use iroko_model::InstanceId;
use iroko_model::instance::{ObservedState, OnGuestShutdown, Power};
use iroko_model::reason::{Code, Reason};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A reason that is always told in the same words.
pub(crate) type Why = (Code, &'static str);

fn because((code, text): Why) -> Reason {
    Reason::new(code, text)
}

const PORTS_NEVER_CAME: Why = (Code::NetworkLate, "the host's network did not get ready for this instance in time");
const RESTARTS: Why = (Code::Restarting, "it went down and is wanted running; it starts again in a moment");
const GUEST_RESTARTS: Why =
    (Code::Restarting, "its guest shut itself down; it starts again in a moment (on_guest_shutdown)");
const GUEST_OFF: Why =
    (Code::GuestShutDown, "its guest shut itself down; start it to run it again (on_guest_shutdown)");
const NO_ROOM: Why = (
    Code::HostDiskFull,
    "the host's disk is full: the instance is held and goes on by itself when an operator has made room; \
                       it can be stopped or deleted meanwhile",
);
/// How often a host without room is looked at for an instance that waits for it.
const ROOM_LOOK: Duration = Duration::from_secs(3);
const DISK_LOST: Why = (Code::DiskLost, "the instance's disk is missing on its host; an operator must restore it");
const AWAITS_START: Why =
    (Code::AwaitsStart, "a start of the instance that was interrupted is waited for, then made again");
const AWAITS_PORTS: Why = (Code::AwaitsNetwork, "waits for the host's network");

/// All of them.
#[cfg(test)]
pub(crate) const REASONS: &[Why] =
    &[PORTS_NEVER_CAME, RESTARTS, GUEST_RESTARTS, GUEST_OFF, NO_ROOM, DISK_LOST, AWAITS_START, AWAITS_PORTS];

/// How the supervisor and an instance's task speak.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    wake: Notify,
    rested: Mutex<Option<Rested>>,
}

/// What a task saw when it last came to rest.
#[derive(Debug, Clone)]
pub(crate) struct Rested {
    pub domain: Option<DomainState>,
    pub spec: Option<Arc<InstanceSpec>>,
}

impl Mailbox {
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn rested(&self) -> Option<Rested> {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rest(&self, rested: Option<Rested>) {
        *self.rested.lock().unwrap_or_else(PoisonError::into_inner) = rested;
    }
}

/// An instance's task, before it runs.
pub(crate) struct InstanceTask {
    id: InstanceId,
    host: Arc<Host>,
    mailbox: Arc<Mailbox>,
    retry: RetryState,
    /// The last generation heard of, for an instance that leaves the desired set.
    generation: Option<u64>,
}

/// What was looked at in one pass.
struct Seen {
    spec: Option<Arc<InstanceSpec>>,
    want: Want,
    generation: u64,
    domain: Option<DomainState>,
    held: Held,
    room: bool,
    /// Parts of the definition that are not as wanted.
    outdated: Vec<DefinitionPart>,
}

enum Pass {
    Again,
    Rest { until: Option<Instant>, ports: bool },
    Gone,
}

impl InstanceTask {
    pub(crate) fn new(id: InstanceId, host: Arc<Host>, mailbox: Arc<Mailbox>) -> Self {
        let retry = RetryState::new(&host.config);
        Self { id, host, mailbox, retry, generation: None }
    }

    /// Runs until no trace of the instance is left or the agent stops.
    #[tracing::instrument(name = "instance", skip_all, fields(id = %self.id))]
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> InstanceId {
        while !shutdown.is_cancelled() {
            match self.pass().await {
                Pass::Again => tokio::task::yield_now().await,
                Pass::Gone => break,
                Pass::Rest { until, ports } => tokio::select! {
                    () = self.mailbox.wake.notified() => {}
                    () = until_instant(until) => {}
                    () = self.ports_ready(), if ports => {}
                    () = shutdown.cancelled() => {}
                },
            }
        }
        self.id
    }

    async fn pass(&mut self) -> Pass {
        self.mailbox.rest(None);
        let seen = match self.look().await {
            Ok(Some(seen)) => seen,
            Ok(None) => return Pass::Rest { until: None, ports: false },
            Err(error) => return self.blind(&error),
        };
        self.retry.wanted(seen.want, seen.generation);
        if seen.want != Want::AsItIs || is_nothing(&seen) {
            self.tell_orphan(false, false, None);
        }
        if matches!(seen.domain, None | Some(DomainState::Off | DomainState::ShutDown)) {
            self.retry.stopped();
        }
        let (step, clock) = self.decide(&seen);
        tracing::debug!(?step, want = ?seen.want, domain = ?seen.domain, "decided");
        match step {
            Step::Rest(rest) => self.rest(rest, &seen, clock),
            Step::GiveUp => {
                self.retry.given_up = Some(because(PORTS_NEVER_CAME));
                Pass::Again
            }
            step => self.step(step, &seen).await,
        }
    }

    /// `None` while nothing is known of what is desired.
    async fn look(&mut self) -> Result<Option<Seen>, StepError> {
        let (spec, want) = match self.host.wanted(self.id) {
            Wanted::Unknown => return Ok(None),
            Wanted::Gone => (None, Want::Gone),
            Wanted::Orphan(spec) => (spec, Want::AsItIs),
            Wanted::Spec(spec) => {
                let want = match spec.power {
                    Power::Running => Want::Running,
                    Power::Stopped => Want::Stopped,
                    Power::Deleted => Want::Gone,
                };
                (Some(spec), want)
            }
        };
        let held = self.host.storage.look(self.id).await?;
        let domain = self.host.hypervisor.state(self.id).await?;
        // Only an instance that waits for room makes anybody measure it.
        let room = domain != Some(DomainState::NoRoom) || self.host.storage.has_room(self.id).await?;
        let known = spec.as_ref().map(|spec| spec.generation).or(self.generation);
        let generation = known.or(held.record.as_ref().map(|record| record.generation));
        self.generation = generation;
        let outdated = self.outdated(spec.as_deref(), domain).await?;
        Ok(Some(Seen { spec, want, generation: generation.unwrap_or(0), domain, held, room, outdated }))
    }

    /// Compares what is defined with what is wanted, part by part.
    async fn outdated(
        &self,
        spec: Option<&InstanceSpec>,
        domain: Option<DomainState>,
    ) -> Result<Vec<DefinitionPart>, StepError> {
        let Some(spec) = spec.filter(|_| domain.is_some()) else { return Ok(Vec::new()) };
        let seen = self.host.hypervisor.definition(self.id).await?;
        let wanted = Definition::wanted(spec, &self.host.storage.files(spec));
        Ok(seen.map(|seen| wanted.differs(&seen)).unwrap_or_default())
    }

    fn decide(&mut self, seen: &Seen) -> (Step, Option<Instant>) {
        let ready = seen.spec.iter().all(|spec| spec.nics.iter().all(|nic| self.host.ready.is_ready(nic.port_id)));
        let (stop, clock) = self.retry.stop_clock(self.host.config.stop_timeout());
        let is_starting = seen.domain == Some(DomainState::Starting);
        let start_until = self.retry.start_until(is_starting, self.host.config.hypervisor_timeout());
        let facts = Facts {
            want: seen.want,
            generation: seen.generation,
            operation: seen.spec.as_ref().and_then(|spec| spec.operation),
            is_outdated: !seen.outdated.is_empty(),
            domain: seen.domain,
            record: seen.held.record.as_ref(),
            disk: seen.held.disk,
            seed: seen.held.seed,
            litter: seen.held.litter,
            start_overdue: start_until.is_some_and(|until| until <= Instant::now()),
            ports: if ready { Ports::Ready } else { Ports::Waiting },
            stop,
            given_up: self.retry.given_up.is_some(),
            stays_off: seen.spec.as_ref().is_some_and(|spec| spec.on_guest_shutdown == OnGuestShutdown::StayOff),
            asked: self.retry.was_asked(),
            room: seen.room,
        };
        let step = state::next(&facts);
        // The patience for ports is counted only while nothing but the ports is missing.
        match step {
            Step::Rest(Rest::AwaitPorts) => {}
            Step::Rest(Rest::AwaitStart) => return (step, start_until),
            step => return (step, clock),
        }
        let ports = self.retry.ports(ready, &self.host.config);
        (state::next(&Facts { ports, ..facts }), clock)
    }

    fn rest(&mut self, rest: Rest, seen: &Seen, clock: Option<Instant>) -> Pass {
        let (state, reason) = match rest {
            Rest::Running => (ObservedState::Running, None),
            Rest::Stopped => (ObservedState::Stopped, None),
            Rest::Stopping => (ObservedState::Stopping, None),
            Rest::Rebooting => (ObservedState::Rebooting, None),
            Rest::AwaitStart => (ObservedState::Preparing, Some(because(AWAITS_START))),
            Rest::AwaitPorts => (ObservedState::Preparing, Some(because(AWAITS_PORTS))),
            Rest::Failed => (ObservedState::Failed, failure(seen)),
            Rest::DiskLost => (ObservedState::Failed, Some(because(DISK_LOST))),
            Rest::GuestOff => (ObservedState::Stopped, Some(because(GUEST_OFF))),
            Rest::NoRoom => (ObservedState::Running, Some(because(NO_ROOM))),
            Rest::Absent => (ObservedState::Absent, None),
            Rest::Orphan => return self.orphan(seen),
        };
        match rest {
            Rest::Running => self.retry.seen_running(),
            Rest::Stopped | Rest::Failed | Rest::GuestOff => self.retry.well(),
            _ => {}
        }
        let condition = match rest {
            Rest::GuestOff => Some(Condition::GuestShutdown),
            Rest::NoRoom => Some(Condition::HostDiskFull),
            _ => None,
        };
        self.tell(seen, state, reason, condition);
        if rest == Rest::Absent {
            return Pass::Gone;
        }
        self.mailbox.rest(Some(Rested { domain: seen.domain, spec: seen.spec.clone() }));
        let life = seen.held.record.as_ref().map_or(Life::Building, |record| record.life);
        let until = match rest {
            Rest::AwaitPorts => self.retry.ports_until(life, &self.host.config),
            Rest::NoRoom => Some(Instant::now() + ROOM_LOOK),
            _ => clock,
        };
        Pass::Rest { until, ports: rest == Rest::AwaitPorts }
    }

    /// It stays as it is, and is told.
    fn orphan(&self, seen: &Seen) -> Pass {
        let is_running = seen.domain == Some(DomainState::Running);
        tracing::warn!(is_running, "nobody named this instance, and nobody said that it is gone; it is kept as it is");
        self.tell_orphan(true, is_running, seen.spec.clone());
        self.mailbox.rest(Some(Rested { domain: seen.domain, spec: seen.spec.clone() }));
        Pass::Rest { until: None, ports: false }
    }

    fn tell_orphan(&self, is_there: bool, is_running: bool, spec: Option<Arc<InstanceSpec>>) {
        let (instance_id, port_id, network_id) = (self.id, None, None);
        self.host.reporter.orphan(OrphanObservation { instance_id, port_id, network_id, is_there, is_running, spec });
    }

    async fn step(&mut self, step: Step, seen: &Seen) -> Pass {
        if let Some(hold) = self.retry.held().cloned() {
            self.report(seen, hold.state, Some(hold.reason));
            self.mailbox.rest(Some(Rested { domain: seen.domain, spec: seen.spec.clone() }));
            return Pass::Rest { until: Some(hold.until), ports: false };
        }
        let why = if seen.domain == Some(DomainState::ShutDown) { GUEST_RESTARTS } else { RESTARTS };
        if step == Step::Start && is_born(seen) && operating(seen).is_none() && self.retry.hold_restart(because(why)) {
            return Pass::Again;
        }
        // A step tried again stays under the word and reason of its failure until it succeeds.
        if let Some(state) = shown(step, seen).filter(|_| self.retry.hold.is_none()) {
            self.report(seen, state, None);
        }
        match self.take(step, seen).await {
            Ok(()) => self.stepped(step, seen),
            Err(StepError::Overtaken) => Pass::Again,
            Err(error) => self.failed(step, seen, &error),
        }
    }

    /// Takes the step. Making a disk, which can take minutes, ends early when the instance is no
    /// longer wanted like this; calls to the hypervisor are never left alone.
    async fn take(&self, step: Step, seen: &Seen) -> Result<(), StepError> {
        let input = StepInput {
            id: self.id,
            spec: seen.spec.as_deref(),
            held: &seen.held,
            defined: seen.domain.is_some(),
            reason: self.retry.given_up.as_ref(),
        };
        let act = act::take(&self.host, step, &input);
        if step != Step::MakeDisk {
            return act.await;
        }
        tokio::select! {
            done = act => done,
            () = self.overtaken(seen) => Err(StepError::Overtaken),
        }
    }

    async fn overtaken(&self, seen: &Seen) {
        loop {
            self.mailbox.wake.notified().await;
            match (self.host.wanted(self.id), &seen.spec) {
                (Wanted::Spec(now), Some(then)) if now.generation == then.generation => {}
                _ => return,
            }
        }
    }

    fn stepped(&mut self, step: Step, seen: &Seen) -> Pass {
        self.retry.step_done();
        match step {
            Step::Shutdown => self.retry.asked_to_stop(),
            Step::Begin => self.retry.given_up = None,
            Step::RemoveAll => tracing::info!("removed"),
            Step::Start => {
                self.retry.started();
                tracing::info!(generation = seen.generation, "started");
            }
            Step::GuestOff => tracing::info!("its guest shut itself down; it stays off"),
            _ => {}
        }
        if step != Step::Shutdown && self.retry.repeats(step) {
            tracing::warn!(?step, "taken again and again without a change");
            self.retry.hold_retry(
                shown(step, seen).unwrap_or(as_seen(seen)),
                Reason::new(Code::Repeating, "the host keeps trying"),
            );
        }
        Pass::Again
    }

    fn failed(&mut self, step: Step, seen: &Seen, error: &StepError) -> Pass {
        let (verdict, public) = (error.verdict(), error.public());
        tracing::warn!(?step, ?verdict, error = chain(error), "step failed");
        let building = matches!(step, Step::MakeDisk | Step::MakeSeed | Step::Define | Step::Start);
        if building && verdict != Verdict::Unknown {
            if is_born(seen) {
                self.retry.hold_retry(ObservedState::Failed, public);
                return Pass::Again;
            }
            self.retry.attempts += 1;
            if verdict == Verdict::Permanent || self.retry.attempts >= self.host.config.build_attempts {
                tracing::error!(attempts = self.retry.attempts, error = chain(error), "building is given up");
                self.retry.given_up = Some(public);
                return Pass::Again;
            }
        }
        self.retry.hold_retry(shown(step, seen).unwrap_or(as_seen(seen)), public);
        Pass::Again
    }

    /// The host itself could not be looked at: nothing is concluded, nothing changed.
    fn blind(&mut self, error: &StepError) -> Pass {
        tracing::warn!(error = chain(error), "cannot look at the instance");
        self.retry.hold_retry(ObservedState::Preparing, because(AWAITS_START));
        Pass::Rest { until: self.retry.hold.take().map(|hold| hold.until), ports: false }
    }

    /// An instance that is held for want of room is told so, whatever is tried meanwhile.
    fn report(&self, seen: &Seen, state: ObservedState, reason: Option<Reason>) {
        match seen.domain {
            Some(DomainState::NoRoom) if state == ObservedState::Running => {
                self.tell(seen, state, Some(because(NO_ROOM)), Some(Condition::HostDiskFull));
            }
            _ => self.tell(seen, state, reason, None),
        }
    }

    fn tell(&self, seen: &Seen, state: ObservedState, reason: Option<Reason>, condition: Option<Condition>) {
        // Of what nobody named only that is told.
        if seen.want == Want::AsItIs || seen.spec.is_none() && self.generation.is_none() {
            return;
        }
        let is_on = matches!(seen.domain, Some(DomainState::Running | DomainState::Paused | DomainState::NoRoom));
        self.host.reporter.instance(InstanceObservation {
            operation: record(seen).and_then(|record| record.operation.observation()),
            reason,
            condition,
            at_next_start: if is_on { seen.outdated.clone() } else { Vec::new() },
            ..InstanceObservation::new(self.id, seen.generation, state)
        });
    }

    async fn ports_ready(&self) {
        let Wanted::Spec(spec) = self.host.wanted(self.id) else { return };
        let ports: Vec<_> = spec.nics.iter().map(|nic| nic.port_id).collect();
        self.host.ready.wait(&ports).await;
    }
}

fn is_nothing(seen: &Seen) -> bool {
    let held = &seen.held;
    seen.domain.is_none() && held.record.is_none() && !held.disk && !held.seed && !held.litter
}

fn record(seen: &Seen) -> Option<&Record> {
    seen.held.record.as_ref()
}

fn is_born(seen: &Seen) -> bool {
    record(seen).is_some_and(|record| record.life == Life::Born)
}

/// What the world sees while the operation under way is carried out.
fn operating(seen: &Seen) -> Option<ObservedState> {
    match record(seen)?.operation.state {
        OperationState::UnderWay { kind, .. } => operation::shown(kind),
        OperationState::Ended(_) => None,
    }
}

fn failure(seen: &Seen) -> Option<Reason> {
    record(seen).and_then(|record| record.failed.as_ref()).map(|failure| failure.reason.clone())
}

/// What the world is told of an instance where a step towards something else failed: what it does now.
fn as_seen(seen: &Seen) -> ObservedState {
    match seen.domain {
        Some(DomainState::Running | DomainState::Paused | DomainState::NoRoom) if is_born(seen) => {
            ObservedState::Running
        }
        Some(DomainState::Stopping) => ObservedState::Stopping,
        Some(DomainState::Off | DomainState::ShutDown) if seen.want == Want::Stopped => ObservedState::Stopped,
        _ => ObservedState::Preparing,
    }
}

/// What the world is told while a step is taken; `None` where it changes nothing to be seen.
fn shown(step: Step, seen: &Seen) -> Option<ObservedState> {
    match step {
        Step::Shutdown | Step::Destroy | Step::Operation(Progress::Phase(_)) | Step::Start
            if operating(seen).is_some() =>
        {
            operating(seen)
        }
        Step::Begin | Step::MakeDisk | Step::MakeSeed | Step::Define | Step::Start => Some(ObservedState::Preparing),
        Step::Destroy | Step::Undefine | Step::RemoveFiles | Step::RemoveAll
            if seen.want != Want::Gone && !is_born(seen) =>
        {
            Some(ObservedState::Preparing)
        }
        Step::Shutdown | Step::Destroy | Step::Undefine | Step::RemoveFiles | Step::RemoveAll => {
            Some(ObservedState::Stopping)
        }
        _ => None,
    }
}

async fn until_instant(until: Option<Instant>) {
    match until {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
