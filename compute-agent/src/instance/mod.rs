//! An instance's life on this host.
//!
//! [`state`] decides (pure), [`task`] looks, acts and reports, one task an instance; [`record`] is
//! what survives the agent; [`memory`] is what need not; [`failure`] sorts what went wrong.

pub(crate) mod act;
pub(crate) mod failure;
pub(crate) mod memory;
pub mod record;
pub mod state;
pub(crate) mod task;
