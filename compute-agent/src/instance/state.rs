//! The state machine: what was looked at -> the one next step. Pure, total, without memory.
//!
//! ```text
//!  wanted running
//!   no record ─Begin─> MakeDisk ─> MakeSeed ─> (ports) ─> Start ─> running ─Born─> Rest(Running)
//!                         │            │          │          │
//!                         └─ given up ─┴──────────┴──────────┴─> Destroy ─> Undefine ─> RemoveFiles
//!                                                                 ─MarkFailed─> Rest(Failed)
//!   failed mark of this generation: Rest(Failed)        of an older one: Begin
//!   off, has run: (hold) ─> (ports) ─> Start            off, has run, no disk: Rest(DiskLost)
//!   paused: Resume      half started: (wait) ─(overdue)─> Destroy ─> off
//!   more reboots wanted than done
//!     running ─RebootBegin─> stopping ─> off ─RebootHalf─> Start ─> running ─RebootDone─> Rest
//!     off     ─RebootSettle─> ...
//!
//!  wanted stopped
//!   active ─> Shutdown ─(again)─> Rest(Stopping) ─(overdue)─> Destroy ─> off ─> Rest(Stopped)
//!   no record ─Begin─> MakeDisk ─> MakeSeed ─> Define ─> off ─> Rest(Stopped)
//!
//!  not named by anybody, and not told to be gone
//!   anything there ─> Rest(Orphan): kept as it is, running or not      nothing there ─> Rest(Absent)
//!
//!  wanted gone
//!   active ─> Destroy ─> off ─> Undefine ─> RemoveAll ─> Rest(Absent)
//! ```
//!
//! A guest that switches itself off while it is wanted running is started again: what is wanted is
//! level-triggered and only the API changes it. The task bounds how often.

use super::record::{Life, RebootPhase, Record};
use crate::hypervisor::DomainState;

/// What is wanted of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Want {
    /// It exists and runs.
    Running,
    /// It exists and is off.
    Stopped,
    /// No trace of it is left: somebody said so.
    Gone,
    /// It stays as it is: nobody named it, which is no order to remove it.
    AsItIs,
}

/// Whether the machine's ports are plugged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// All of them.
    Ready,
    /// Not all yet.
    Waiting,
    /// Not all, and the patience of a new machine is over.
    Overdue,
}

/// Where a graceful stop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopClock {
    /// The guest is to be asked, for the first time or again.
    Due,
    /// It was asked a moment ago.
    Asked,
    /// It had its time.
    Overdue,
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is wanted.
    pub want: Want,
    /// Generation of the spec; of the record where there is no spec.
    pub generation: u64,
    /// Reboots ever asked for.
    pub reboots: u64,
    /// What the hypervisor has; `None` where nothing is defined.
    pub domain: Option<DomainState>,
    /// The durable record.
    pub record: Option<&'a Record>,
    /// A complete disk is there.
    pub disk: bool,
    /// A complete seed is there.
    pub seed: bool,
    /// Anything is there beside the record, also half-made files.
    pub litter: bool,
    /// A start that was begun has had its time and has not ended.
    pub start_overdue: bool,
    /// Its ports.
    pub ports: Ports,
    /// The stop under way.
    pub stop: StopClock,
    /// Building has failed for good in this run of the agent.
    pub given_up: bool,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the first record, or a fresh one for a new generation of a failed machine.
    Begin,
    /// Note the generation that is acted on.
    Note,
    /// Note that it runs, before anyone is told.
    Born,
    /// Note that a reboot begins.
    RebootBegin,
    /// Note that a rebooting machine was seen off.
    RebootHalf,
    /// Note that a reboot is done.
    RebootDone,
    /// Count reboots of a machine that is off as done.
    RebootSettle,
    /// Note, once no trace is left, that building was given up.
    MarkFailed,
    /// Image into the cache, then the disk over it.
    MakeDisk,
    /// The cloud-init seed.
    MakeSeed,
    /// Define without starting.
    Define,
    /// Define as now wanted, and start.
    Start,
    /// Let a paused machine go on.
    Resume,
    /// Ask the guest to shut down.
    Shutdown,
    /// Switch it off.
    Destroy,
    /// Forget the definition.
    Undefine,
    /// Remove all files but the record.
    RemoveFiles,
    /// Remove all files, the record last.
    RemoveAll,
    /// Give up building: the ports never came.
    GiveUp,
    /// Nothing to do until something changes.
    Rest(Rest),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rest {
    /// It runs, as wanted.
    Running,
    /// It is off, as wanted.
    Stopped,
    /// The guest is on its way down.
    Stopping,
    /// The guest is on its way down, to come up again.
    Rebooting,
    /// A start is under way that an earlier agent began, or a hypervisor that was killed meanwhile.
    AwaitStart,
    /// The net-agent has not plugged all ports.
    AwaitPorts,
    /// Building was given up at this generation.
    Failed,
    /// It has run, and its disk is gone: never made anew behind the tenant's back.
    DiskLost,
    /// No trace is left.
    Absent,
    /// Something is there that nobody named.
    Orphan,
}

/// Decides the next step.
pub fn next(facts: &Facts<'_>) -> Step {
    match facts.want {
        Want::Gone => return vanish(facts),
        Want::AsItIs => return leave(facts),
        Want::Running | Want::Stopped => {}
    }
    let Some(record) = facts.record else { return Step::Begin };
    match &record.failed {
        Some(failure) if failure.generation >= facts.generation => clear(facts).unwrap_or(Step::Rest(Rest::Failed)),
        Some(_) => Step::Begin,
        None if record.generation != facts.generation => Step::Note,
        None if facts.given_up && record.life == Life::Building && facts.domain != Some(DomainState::Running) => {
            clear(facts).unwrap_or(Step::MarkFailed)
        }
        None => keep(facts, record),
    }
}

/// Towards no trace at all.
fn vanish(facts: &Facts<'_>) -> Step {
    match (clear(facts), facts.record) {
        (Some(Step::RemoveFiles), _) | (None, Some(_)) => Step::RemoveAll,
        (Some(step), _) => step,
        (None, None) => Step::Rest(Rest::Absent),
    }
}

/// Nothing is done, whatever is there.
const fn leave(facts: &Facts<'_>) -> Step {
    let is_there = facts.domain.is_some() || facts.record.is_some() || facts.litter || facts.disk || facts.seed;
    Step::Rest(if is_there { Rest::Orphan } else { Rest::Absent })
}

/// Towards nothing but the record; `None` once there.
const fn clear(facts: &Facts<'_>) -> Option<Step> {
    match facts.domain {
        Some(DomainState::Running | DomainState::Paused | DomainState::Starting | DomainState::Stopping) => {
            Some(Step::Destroy)
        }
        Some(DomainState::Off) => Some(Step::Undefine),
        None if facts.litter || facts.disk || facts.seed => Some(Step::RemoveFiles),
        None => None,
    }
}

/// Towards a machine that runs or is off, as wanted.
fn keep(facts: &Facts<'_>, record: &Record) -> Step {
    use DomainState::{Off, Paused, Running, Starting, Stopping};
    match (facts.want, facts.domain) {
        // It never ran: there is no guest to ask, and nothing of it to lose.
        (Want::Running | Want::Stopped, Some(Starting)) if facts.start_overdue => Step::Destroy,
        (Want::Running | Want::Stopped, Some(Starting)) => Step::Rest(Rest::AwaitStart),
        (Want::Running, Some(Running)) => running(facts, record),
        (Want::Running, Some(Paused)) if !is_stopping(record) => Step::Resume,
        (Want::Running, Some(Paused | Stopping)) => halt(facts, record),
        (Want::Running, Some(Off) | None) => off(facts, record),
        (Want::Stopped, Some(Running)) if record.life == Life::Building => Step::Born,
        (Want::Stopped, Some(Running | Paused | Stopping)) => halt(facts, record),
        (Want::Stopped, Some(Off)) if reboot_open(facts, record) => Step::RebootSettle,
        (Want::Stopped, Some(Off)) if record.life == Life::Born && !facts.disk => Step::Rest(Rest::DiskLost),
        (Want::Stopped, Some(Off)) => prepare(facts, record).unwrap_or(Step::Rest(Rest::Stopped)),
        (Want::Stopped, None) => prepare(facts, record).unwrap_or(Step::Define),
        (Want::Gone, _) => vanish(facts),
        (Want::AsItIs, _) => leave(facts),
    }
}

fn running(facts: &Facts<'_>, record: &Record) -> Step {
    if record.life == Life::Building {
        return Step::Born;
    }
    match record.reboot {
        Some(reboot) if reboot.phase == RebootPhase::Starting => Step::RebootDone,
        Some(_) => halt(facts, record),
        None if facts.reboots > record.reboots => Step::RebootBegin,
        None => Step::Rest(Rest::Running),
    }
}

fn off(facts: &Facts<'_>, record: &Record) -> Step {
    if is_stopping(record) {
        return Step::RebootHalf;
    }
    if record.reboot.is_none() && facts.reboots > record.reboots {
        return Step::RebootSettle;
    }
    if let Some(step) = prepare(facts, record) {
        return step;
    }
    match facts.ports {
        Ports::Ready => Step::Start,
        Ports::Overdue if record.life == Life::Building => Step::GiveUp,
        Ports::Waiting | Ports::Overdue => Step::Rest(Rest::AwaitPorts),
    }
}

/// The files a start needs; `None` once they are there.
const fn prepare(facts: &Facts<'_>, record: &Record) -> Option<Step> {
    match (facts.disk, facts.seed, record.life) {
        (false, _, Life::Born) => Some(Step::Rest(Rest::DiskLost)),
        (false, _, Life::Building) => Some(Step::MakeDisk),
        (true, false, _) => Some(Step::MakeSeed),
        (true, true, _) => None,
    }
}

const fn halt(facts: &Facts<'_>, record: &Record) -> Step {
    match facts.stop {
        StopClock::Due => Step::Shutdown,
        StopClock::Overdue => Step::Destroy,
        StopClock::Asked if record.reboot.is_some() => Step::Rest(Rest::Rebooting),
        StopClock::Asked => Step::Rest(Rest::Stopping),
    }
}

fn is_stopping(record: &Record) -> bool {
    record.reboot.is_some_and(|reboot| reboot.phase == RebootPhase::Stopping)
}

const fn reboot_open(facts: &Facts<'_>, record: &Record) -> bool {
    record.reboot.is_some() || facts.reboots > record.reboots
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
