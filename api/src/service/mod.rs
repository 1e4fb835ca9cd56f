//! Use cases: one function each, one transaction each. They take checked values and return what is
//! shown; who may call them was asked before.

pub mod action;
pub mod audit;
pub mod capacity;
pub mod cloud_instance;
pub mod connection_log;
pub mod event;
pub mod host;
pub mod image;
pub mod image_store;
pub mod image_upload;
pub mod instance;
pub mod interface;
pub mod orphan;
pub mod port;
pub mod security_group_rule;
pub mod statistics;
pub mod stuck;

use crate::App;
use std::time::Duration;

/// Silence after which a host is not reachable.
pub fn lease(app: &App) -> Duration {
    Duration::from_secs(app.config.agent_link.lease_s)
}
