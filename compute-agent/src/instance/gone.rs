//! No trace at all, or everything as it is. Pure.

use super::facts::{Facts, Want};
use super::step::{Rest, Step};
use crate::hypervisor::DomainState;

/// The next step of an instance that is to be gone, or that nobody named; `None` for one that is wanted.
pub fn next(facts: &Facts<'_>) -> Option<Step> {
    match facts.want {
        Want::Gone => Some(vanish(facts)),
        Want::AsItIs => Some(leave(facts)),
        Want::Running | Want::Stopped => None,
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
pub const fn clear(facts: &Facts<'_>) -> Option<Step> {
    match facts.domain {
        Some(DomainState::Off | DomainState::ShutDown) => Some(Step::Undefine),
        Some(_) => Some(Step::Destroy),
        None if facts.litter || facts.disk || facts.seed => Some(Step::RemoveFiles),
        None => None,
    }
}
