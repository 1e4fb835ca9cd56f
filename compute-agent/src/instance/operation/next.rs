//! What a kind of operation answers.

use crate::instance::step::Step;
use iroko_agent_wire::{OperationFault, OperationPhase};

/// What a kind of operation wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This step, in the phase it is in.
    Step(Step),
    /// This phase.
    Phase(OperationPhase),
    /// It is done.
    Done,
    /// It cannot be done.
    Failed(OperationFault),
    /// Nothing: what power and definition want comes first.
    Leave,
}
