//! An instance's life on this host.
//!
//! [`state`] decides (pure), in the order gone, failed, operation, power, definition; [`task`] looks, acts and reports, one
//! task an instance; [`record`] is what survives the agent; [`retry_state`] is what need not; [`failure`] sorts what went
//! wrong.

pub(crate) mod act;
pub mod facts;
pub(crate) mod failure;
mod gone;
pub mod operation;
mod power;
pub mod record;
pub(crate) mod retry_state;
pub mod state;
pub mod step;
mod stop;
pub(crate) mod task;

#[cfg(test)]
mod french_tests;
