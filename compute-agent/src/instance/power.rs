//! Power: an instance that runs or is off, as wanted, with the files that it needs. Pure.
//!
//! An instance that went down while it is wanted running is started again, as often as the task's bound allows:
//! killed, crashed, or off with its host. That its guest shut itself down is a wish, and one of its owner's unless
//! they said otherwise: it stays off and that is told, until the control plane wants something else.

use super::facts::{Facts, Ports, Want};
use super::record::{Life, Record};
use super::step::{Rest, Step};
use super::{gone, stop};
use crate::hypervisor::DomainState::{self, NoRoom, Off, Paused, Running, ShutDown, Starting, Stopping};

/// The next step.
pub fn next(facts: &Facts<'_>, record: &Record) -> Step {
    match (facts.want, facts.domain) {
        // It never ran: there is no guest to ask, and nothing of it to lose.
        (Want::Running | Want::Stopped, Some(Starting)) if facts.start_overdue => Step::Destroy,
        (Want::Running | Want::Stopped, Some(Starting)) => Step::Rest(Rest::AwaitStart),
        (Want::Running, Some(Running)) => running(facts, record),
        (Want::Running, Some(Paused)) => Step::Resume,
        // It goes on where it may. Where it may not, no guest can obey: only switching it off stops it.
        (Want::Running | Want::Stopped, Some(NoRoom)) if facts.room => Step::Resume,
        (Want::Running, Some(NoRoom)) => Step::Rest(Rest::NoRoom),
        (Want::Stopped, Some(NoRoom)) => Step::Destroy,
        (Want::Running, Some(Stopping)) => stop::next(facts, record),
        (Want::Running, Some(Off | ShutDown) | None) => guest_off(facts, record).unwrap_or_else(|| off(facts, record)),
        (Want::Stopped, Some(Running)) if record.life == Life::Building => Step::Born,
        (Want::Stopped, Some(Running | Paused | Stopping)) => stop::next(facts, record),
        (Want::Stopped, Some(Off | ShutDown)) => prepare(facts, record).unwrap_or(Step::Rest(Rest::Stopped)),
        (Want::Stopped, None) => prepare(facts, record).unwrap_or(Step::Define),
        (Want::Gone | Want::AsItIs, _) => gone::next(facts).unwrap_or(Step::Rest(Rest::Orphan)),
    }
}

fn running(facts: &Facts<'_>, record: &Record) -> Step {
    let is_noted = record.ran == Some(facts.generation) || facts.asked;
    if record.life == Life::Building || !is_noted { Step::Born } else { Step::Rest(Rest::Running) }
}

/// What there is to do where the guest's own will keeps the instance off; `None` where it does not. It counts
/// only at the generation at which it ran: what its owner asks for later is done.
fn guest_off(facts: &Facts<'_>, record: &Record) -> Option<Step> {
    let now = Some(facts.generation);
    if !facts.stays_off || record.operation.is_under_way() || record.ran != now {
        return None;
    }
    match facts.domain {
        _ if record.guest_off == now => Some(Step::Rest(Rest::GuestOff)),
        Some(DomainState::ShutDown) => Some(Step::GuestOff),
        _ => None,
    }
}

fn off(facts: &Facts<'_>, record: &Record) -> Step {
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
