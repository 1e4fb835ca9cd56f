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
//!   shut down by its guest, which ran at this generation, and is to stay off: GuestOff ─> Rest(GuestOff)
//!   paused: Resume      half started: (wait) ─(overdue)─> Destroy ─> off
//!   held, no room on the host's disk: Rest(NoRoom) ─(room)─> Resume     wanted stopped: Destroy
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
//! An instance that went down while it is wanted running is started again, as often as the task's bound allows:
//! killed, crashed, or off with its host. That its guest shut itself down is a wish, and one of its owner's unless
//! they said otherwise: it stays off and that is told, until the control plane wants something else.

use super::record::{Life, RebootPhase, Record};
use crate::hypervisor::DomainState;

/// What is wanted of an instance.
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

/// Whether the instance's ports are plugged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// All of them.
    Ready,
    /// Not all yet.
    Waiting,
    /// Not all, and the patience of a new instance is over.
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
    /// A guest that shuts itself down shall stay off.
    pub stays_off: bool,
    /// The guest was asked to go down since it last started: that it goes down is no wish of its own.
    pub asked: bool,
    /// The host's disk has room for what the instance writes.
    pub room: bool,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the first record, or a fresh one for a new generation of a failed instance.
    Begin,
    /// Note the generation that is acted on.
    Note,
    /// Note that it runs, and at which generation, before anyone is told.
    Born,
    /// Note that its guest shut itself down and stays off, before anyone is told.
    GuestOff,
    /// Note that a reboot begins.
    RebootBegin,
    /// Note that a rebooting instance was seen off.
    RebootHalf,
    /// Note that a reboot is done.
    RebootDone,
    /// Count reboots of an instance that is off as done.
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
    /// Let a paused instance go on.
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
    /// Its guest shut itself down and is to stay off.
    GuestOff,
    /// Held until the host's disk has room.
    NoRoom,
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
        Some(DomainState::Off | DomainState::ShutDown) => Some(Step::Undefine),
        Some(_) => Some(Step::Destroy),
        None if facts.litter || facts.disk || facts.seed => Some(Step::RemoveFiles),
        None => None,
    }
}

/// Towards an instance that runs or is off, as wanted.
fn keep(facts: &Facts<'_>, record: &Record) -> Step {
    use DomainState::{NoRoom, Off, Paused, Running, ShutDown, Starting, Stopping};
    match (facts.want, facts.domain) {
        // It never ran: there is no guest to ask, and nothing of it to lose.
        (Want::Running | Want::Stopped, Some(Starting)) if facts.start_overdue => Step::Destroy,
        (Want::Running | Want::Stopped, Some(Starting)) => Step::Rest(Rest::AwaitStart),
        (Want::Running, Some(Running)) => running(facts, record),
        (Want::Running, Some(Paused)) if !is_stopping(record) => Step::Resume,
        // It goes on where it may. Where it may not, no guest can obey: only switching it off stops it.
        (Want::Running | Want::Stopped, Some(NoRoom)) if facts.room => Step::Resume,
        (Want::Running, Some(NoRoom)) if !is_stopping(record) => Step::Rest(Rest::NoRoom),
        (Want::Running | Want::Stopped, Some(NoRoom)) => Step::Destroy,
        (Want::Running, Some(Paused | Stopping)) => halt(facts, record),
        (Want::Running, Some(Off | ShutDown) | None) => guest_off(facts, record).unwrap_or_else(|| off(facts, record)),
        (Want::Stopped, Some(Running)) if record.life == Life::Building => Step::Born,
        (Want::Stopped, Some(Running | Paused | Stopping)) => halt(facts, record),
        (Want::Stopped, Some(Off | ShutDown)) if reboot_open(facts, record) => Step::RebootSettle,
        (Want::Stopped, Some(Off | ShutDown)) if record.life == Life::Born && !facts.disk => Step::Rest(Rest::DiskLost),
        (Want::Stopped, Some(Off | ShutDown)) => prepare(facts, record).unwrap_or(Step::Rest(Rest::Stopped)),
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
        None if record.ran != Some(facts.generation) && !facts.asked => Step::Born,
        None => Step::Rest(Rest::Running),
    }
}

/// What there is to do where the guest's own will keeps the instance off; `None` where it does not. It counts
/// only at the generation at which it ran: whoever asks for anything later is heard.
fn guest_off(facts: &Facts<'_>, record: &Record) -> Option<Step> {
    let now = Some(facts.generation);
    if !facts.stays_off || record.reboot.is_some() || facts.reboots > record.reboots || record.ran != now {
        return None;
    }
    match facts.domain {
        _ if record.guest_off == now => Some(Step::Rest(Rest::GuestOff)),
        Some(DomainState::ShutDown) => Some(Step::GuestOff),
        _ => None,
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
