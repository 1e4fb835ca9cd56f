//! Reboot: off, then on again, exactly once. Pure.
//!
//! ```text
//!   runs ─> stopping: asked, then forced ─> off ─> starting: as power wants it ─> runs: done
//!   off, or wanted off: there is nothing to reboot: done
//! ```

use super::next::Next;
use crate::hypervisor::DomainState::{NoRoom, Off, Paused, Running, ShutDown, Starting, Stopping};
use crate::instance::facts::{Facts, Want};
use crate::instance::record::{Life, Record};
use crate::instance::step::Step;
use crate::instance::stop;
use iroko_agent_wire::OperationPhase;

/// What a reboot does next.
pub fn next(facts: &Facts<'_>, record: &Record, phase: Option<OperationPhase>) -> Next {
    let is_wanted_on = facts.want == Want::Running;
    match (phase, facts.domain) {
        // It is not told to run yet, or comes up from before: it runs first.
        (_, Some(Running)) if record.life == Life::Building => Next::Leave,
        (_, Some(Starting)) => Next::Leave,
        (None, Some(Running)) if is_wanted_on => Next::Phase(OperationPhase::Stopping),
        (None, None | Some(Off | ShutDown)) => Next::Done,
        (None, _) => Next::Leave,
        (Some(OperationPhase::Starting), Some(Running)) => Next::Done,
        (Some(_), None | Some(Off | ShutDown)) if !is_wanted_on => Next::Done,
        (Some(OperationPhase::Starting), _) => Next::Leave,
        (Some(_), None | Some(Off | ShutDown)) => Next::Phase(OperationPhase::Starting),
        // Without room no guest can obey.
        (Some(_), Some(NoRoom)) => Next::Step(if facts.room { Step::Resume } else { Step::Destroy }),
        (Some(_), Some(Running | Paused | Stopping)) => Next::Step(stop::next(facts, record)),
    }
}
