//! What the reconciler asks of a kernel: the real one, or one in memory.

use crate::announce::Announcement;
use crate::conntrack::Flow;
use crate::object::{Key, State};
use crate::plan::Action;
use crate::statistics::reading::Counter;
use std::io;

/// Why reading or changing the host failed. The text is meant for the operator and, as a port's
/// reason, for the tenant.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Devices, addresses, forwarding entries.
    #[error("{what}: the kernel refused")]
    Link {
        /// What was being done.
        what: String,
        /// Its answer.
        #[source]
        source: crate::link::LinkError,
    },
    /// The filter tables.
    #[error("the packet filter could not be set")]
    Firewall(#[source] crate::firewall::FirewallError),
    /// The DHCP and DNS servers.
    #[error("the DHCP and DNS server could not be set up")]
    Dhcp(#[source] crate::dhcp::DhcpError),
    /// The table of flows.
    #[error("the table of flows could not be read or marked")]
    Flows(#[source] io::Error),
    /// Addresses that pass to other instances.
    #[error("local instances could not be told who has an address now")]
    Announce(#[source] io::Error),
    /// The counters of ports and rules.
    #[error("the counters could not be read")]
    Counters(#[source] io::Error),
    /// Anything about files under `/proc` and `/run`.
    #[error("{what}")]
    File {
        /// What was being done.
        what: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A key with a value of another kind; planning makes none.
    #[error("there is no such action: {0}")]
    Nonsense(String),
    /// A fault that a test asked for.
    #[error("injected: {0}")]
    Injected(String),
    /// The step rests on one that failed before it.
    #[error("waits for {0}, which failed")]
    Waits(Key),
}

impl KernelError {
    /// The whole chain in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

/// A host's network, to be read and changed.
#[async_trait::async_trait]
pub trait Kernel: Send + Sync {
    /// Reads everything of ours that is there.
    async fn observe(&self) -> Result<State, KernelError>;

    /// Changes the packet filter in one transaction: all of the actions or none.
    async fn filter(&self, actions: &[Action]) -> Result<(), KernelError>;

    /// Carries out one action that is not about the filter. Doing it twice is like doing it once.
    async fn act(&self, action: &Action) -> Result<(), KernelError>;

    /// Reads all flows of our networks. A kernel without traffic has none.
    async fn flows(&self) -> Result<Vec<Flow>, KernelError> {
        Ok(Vec::new())
    }

    /// Marks each of these flows as cut, or not.
    async fn mark(&self, _flows: Vec<(Flow, bool)>) -> Result<(), KernelError> {
        Ok(())
    }

    /// Tells local instances of addresses that have passed to others. A kernel without instances tells nobody.
    async fn announce(&self, _announcements: Vec<Announcement>) -> Result<(), KernelError> {
        Ok(())
    }

    /// Reads the counters of our ports and rules. A kernel without traffic has none.
    async fn counters(&self) -> Result<Vec<Counter>, KernelError> {
        Ok(Vec::new())
    }
}
