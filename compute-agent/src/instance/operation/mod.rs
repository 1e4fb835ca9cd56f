//! Operations: what is asked for once, by number. Pure.
//!
//! ```text
//!   asked for: number N of kind K        in the record: the last one taken up
//!   N larger than that, which has ended ─> K's file says: a phase (it begins) | done | failed | leave it for later
//!   under way in phase P                ─> K's file says: a step | the next phase | done | failed | leave it to the rest
//! ```
//!
//! A kind is a file with one function: what an operation of it does next, from the facts and its phase. A phase is
//! written down before the acts that follow from it, so that an agent that dies goes on in it. What an operation
//! leaves to the rest (power, definition) is decided as if it were not there.

mod next;
mod reboot;

use super::facts::Facts;
use super::record::{Operation, OperationState, Record};
use super::step::{Progress, Step};
use iroko_agent_wire::{OperationFault, OperationKind, OperationPhase, OperationSpec, Outcome};
use iroko_model::instance::ObservedState;
use next::Next;

/// The next step of the operation that is under way or due; `None` where there is none, or it leaves the rest to do theirs.
pub fn next(facts: &Facts<'_>, record: &Record) -> Option<Step> {
    let (kind, phase) = current(facts.operation, &record.operation)?;
    let next = match kind {
        OperationKind::Reboot => reboot::next(facts, record, phase),
        OperationKind::Unknown => Next::Failed(OperationFault::Unsupported),
    };
    match next {
        Next::Step(step) => Some(step),
        Next::Phase(phase) => Some(Step::Operation(Progress::Phase(phase))),
        Next::Done => Some(Step::Operation(Progress::Ended(Outcome::Done))),
        Next::Failed(fault) => Some(Step::Operation(Progress::Ended(Outcome::Failed(fault)))),
        Next::Leave => None,
    }
}

/// The operation under way with its phase, or the one that is due.
fn current(asked: Option<OperationSpec>, last: &Operation) -> Option<(OperationKind, Option<OperationPhase>)> {
    match last.state {
        OperationState::UnderWay { kind, phase } => Some((kind, Some(phase))),
        OperationState::Ended(_) => asked.filter(|asked| asked.number > last.number).map(|asked| (asked.kind, None)),
    }
}

/// The operation of a record after a step that noted its progress.
pub fn noted(last: &Operation, asked: Option<OperationSpec>, progress: Progress) -> Operation {
    let (number, kind) = match (last.state, asked) {
        (OperationState::UnderWay { kind, .. }, _) => (last.number, kind),
        (OperationState::Ended(_), Some(asked)) => (asked.number, asked.kind),
        (OperationState::Ended(_), None) => return *last,
    };
    let state = match progress {
        Progress::Phase(phase) => OperationState::UnderWay { kind, phase },
        Progress::Ended(outcome) => OperationState::Ended(outcome),
    };
    Operation { number, state }
}

/// What the world sees of an instance while an operation of the kind is under way.
pub const fn shown(kind: OperationKind) -> Option<ObservedState> {
    match kind {
        OperationKind::Reboot => Some(ObservedState::Rebooting),
        OperationKind::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ended(number: u64) -> Operation {
        Operation { number, state: OperationState::Ended(Outcome::Done) }
    }

    #[test]
    fn an_operation_is_taken_up_once_and_ends_before_the_next() {
        let reboot = OperationKind::Reboot;
        let asked = |number| Some(OperationSpec { number, kind: reboot });
        let phase = OperationPhase::Stopping;
        let under_way = Operation { number: 2, state: OperationState::UnderWay { kind: reboot, phase } };
        let table = [
            (None, ended(0), None),
            (asked(1), ended(1), None),
            (asked(2), ended(1), Some((reboot, None))),
            (asked(2), under_way, Some((reboot, Some(phase)))),
            // Another was asked for meanwhile: this one ends first.
            (asked(5), under_way, Some((reboot, Some(phase)))),
            // The control plane's database is one of yesterday.
            (asked(1), under_way, Some((reboot, Some(phase)))),
            (asked(1), ended(2), None),
        ];
        for (asked, last, expected) in table {
            assert_eq!(current(asked, &last), expected, "{asked:?} {last:?}");
        }
        assert_eq!(noted(&ended(1), asked(2), Progress::Phase(phase)), under_way);
        assert_eq!(noted(&under_way, asked(5), Progress::Ended(Outcome::Done)), ended(2));
        assert_eq!(noted(&ended(1), asked(4), Progress::Ended(Outcome::Done)), ended(4));
    }
}
