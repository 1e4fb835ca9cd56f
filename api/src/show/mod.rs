//! Rows of the store as the API shows them.

pub mod address_set;
pub mod audit;
pub mod connection_log;
pub mod event;
pub mod flavor;
pub mod host;
pub mod image;
pub mod instance;
pub mod network;
pub mod orphan;
pub mod port;
pub mod qos_policy;
pub mod security_group;
pub mod security_group_rule;
pub mod ssh_key;
pub mod statistics;
pub mod subnet;

/// A row that can be shown.
pub trait Show<T> {
    /// As the API shows it.
    fn show(self) -> T;
}
