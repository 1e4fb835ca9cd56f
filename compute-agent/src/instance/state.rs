//! The state machine: what was looked at -> the one next step. Pure, total, without memory.
//!
//! What is decided first, in this order; each in a file of its own:
//!
//! ```text
//!  gone ──> failed ──> operation ──> power ──> definition
//!
//!  gone        active ─> Destroy ─> off ─> Undefine ─> RemoveAll ─> Rest(Absent)
//!  as it is    (not named by anybody, and not said to be gone)
//!              anything there ─> Rest(Orphan): kept as it is, running or not      nothing there ─> Rest(Absent)
//!
//!  failed      mark of this generation: traces cleared, Rest(Failed)        of an older one: Begin
//!              given up while building ─> Destroy ─> Undefine ─> RemoveFiles ─MarkFailed─> Rest(Failed)
//!
//!  operation   (operation/) a number larger than the last one's
//!   reboot     running ─Operation(stopping)─> Shutdown, Destroy ─> off ─Operation(starting)─> power ─> running ─Operation(done)
//!              off     ─Operation(done)
//!
//!  power, wanted running
//!   no record ─Begin─> MakeDisk ─> MakeSeed ─> (ports) ─> Start ─> running ─Born─> Rest(Running)
//!   off, has run: (hold) ─> (ports) ─> Start            off, has run, no disk: Rest(DiskLost)
//!   shut down by its guest, which ran at this generation, and is to stay off: GuestOff ─> Rest(GuestOff)
//!   paused: Resume      half started: (wait) ─(overdue)─> Destroy ─> off
//!   held, no room on the host's disk: Rest(NoRoom) ─(room)─> Resume     wanted stopped: Destroy
//!  power, wanted stopped
//!   active ─> Shutdown ─(again)─> Rest(Stopping) ─(overdue)─> Destroy ─> off ─> Rest(Stopped)
//!   no record ─Begin─> MakeDisk ─> MakeSeed ─> Define ─> off ─> Rest(Stopped)
//!
//!  definition  off as wanted, and defined otherwise: Define      running otherwise: told, and in force at the next start
//! ```

use super::facts::{Facts, Want};
use super::record::{Life, Record};
use super::step::{Rest, Step};
use super::{gone, operation, power};
use crate::hypervisor::DomainState;

/// Decides the next step.
pub fn next(facts: &Facts<'_>) -> Step {
    if let Some(step) = gone::next(facts) {
        return step;
    }
    let Some(record) = facts.record else { return Step::Begin };
    failed(facts, record)
        .or_else(|| operation::next(facts, record))
        .unwrap_or_else(|| define(facts, power::next(facts, record)))
}

/// Towards nothing but the mark, where building was given up; `None` where it was not.
fn failed(facts: &Facts<'_>, record: &Record) -> Option<Step> {
    match &record.failed {
        Some(failure) if failure.generation >= facts.generation => {
            Some(gone::clear(facts).unwrap_or(Step::Rest(Rest::Failed)))
        }
        Some(_) => Some(Step::Begin),
        // A full disk takes no note, and is a reason to stop, not to go on: it is noted once there is room.
        None if facts.want == Want::Stopped && facts.domain == Some(DomainState::NoRoom) && !facts.room => None,
        None if record.generation != facts.generation => Some(Step::Note),
        None if facts.given_up && record.life == Life::Building && facts.domain != Some(DomainState::Running) => {
            Some(gone::clear(facts).unwrap_or(Step::MarkFailed))
        }
        None => None,
    }
}

/// Once power has nothing to do: the definition of an instance that is off. One that runs keeps its own until its next
/// start, which defines it anew.
const fn define(facts: &Facts<'_>, step: Step) -> Step {
    match step {
        Step::Rest(Rest::Stopped) if facts.is_outdated => Step::Define,
        step => step,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
