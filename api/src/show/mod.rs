//! Rows of the store as the API shows them.

pub mod action;
pub mod audit;
pub mod cloud_instance;
pub mod connection_log;
pub mod event;
pub mod host;
pub mod instance;
pub mod orphan;
pub mod port;
pub mod security_group_rule;
pub mod statistics;
pub mod stuck;

/// A row that can be shown.
pub trait Show<T> {
    /// As the API shows it.
    fn show(self) -> T;
}
