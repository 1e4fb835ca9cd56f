//! What the agent asks of a hypervisor, and what it may answer.
//!
//! Every verb is idempotent towards its goal: starting what runs, destroying what is off and
//! undefining what is gone succeed. The agent calls no two verbs on one instance at once. A domain
//! that does not carry our mark is never touched, whatever its name: such a call is refused with
//! [`HypervisorError::Foreign`].

pub mod fake;
#[cfg(feature = "libvirt")]
pub mod libvirt;

use crate::definition::Definition;
use iroko_model::InstanceId;
use std::collections::HashMap;

/// The name of an instance's domain, `ik-<uuid>`.
pub fn domain_name(id: InstanceId) -> String {
    format!("{}-{id}", iroko_model::address::DEVICE_PREFIX)
}

/// What a defined domain does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DomainState {
    /// Its processors run.
    Running,
    /// Its processors are held, by an operator or at its own wish (suspended).
    Paused,
    /// It was begun to be started, and its processors have not run yet. A hypervisor daemon that is killed in the
    /// middle leaves it so for ever.
    Starting,
    /// The guest is on its way down.
    Stopping,
    /// Its processors are held because the host's disk had no room for what it wrote.
    NoRoom,
    /// Defined and off, whatever brought it there.
    Off,
    /// Defined and off: its guest shut itself down, by its own will or because it was asked to.
    ShutDown,
}

impl DomainState {
    /// What a list of all domains tells of it, which knows no reasons.
    pub const fn without_reason(self) -> Self {
        match self {
            Self::NoRoom | Self::Starting => Self::Paused,
            Self::ShutDown => Self::Off,
            state => state,
        }
    }
}

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// Too many calls wait already; ask again later. Nothing was done.
    #[error("too many calls to the hypervisor are waiting")]
    Busy,
    /// No answer in time, or the connection broke under the call. It may or may not have worked:
    /// look again.
    #[error("the hypervisor did not answer in time; the outcome of {verb} is unknown")]
    Unknown {
        /// What was asked.
        verb: &'static str,
        /// What broke, where that is known.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The hypervisor cannot be reached. Nothing was done.
    #[error("the hypervisor cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A domain of this identity exists that is not ours.
    #[error("a domain named or identified like {0} exists on the host and is not Iroko's")]
    Foreign(InstanceId),
    /// The hypervisor answered no.
    #[error("the hypervisor refused to {verb}")]
    Refused {
        /// What was asked.
        verb: &'static str,
        /// Its words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A hypervisor of this host.
#[async_trait::async_trait]
pub trait Hypervisor: Send + Sync {
    /// All our domains and what they do, in a number of calls that does not grow with them.
    async fn list(&self) -> Result<HashMap<InstanceId, DomainState>, HypervisorError>;
    /// What one domain does; `None` where it is not defined.
    async fn state(&self, id: InstanceId) -> Result<Option<DomainState>, HypervisorError>;
    /// What one domain runs with; where it is off, what it would start with. `None` where it is not defined, or says
    /// something that cannot be read.
    async fn definition(&self, id: InstanceId) -> Result<Option<Definition>, HypervisorError>;
    /// Defines the domain, or changes the definition it will next start with.
    async fn define(&self, id: InstanceId, xml: &str) -> Result<(), HypervisorError>;
    /// Starts a defined domain.
    async fn start(&self, id: InstanceId) -> Result<(), HypervisorError>;
    /// Lets a paused domain go on.
    async fn resume(&self, id: InstanceId) -> Result<(), HypervisorError>;
    /// Presses the guest's power button (ACPI). Returns at once; the guest may not listen.
    async fn shutdown(&self, id: InstanceId) -> Result<(), HypervisorError>;
    /// Pulls the plug.
    async fn destroy(&self, id: InstanceId) -> Result<(), HypervisorError>;
    /// Forgets a domain that is off.
    async fn undefine(&self, id: InstanceId) -> Result<(), HypervisorError>;
    /// Waits for a hint that an instance changed by itself. Hints may be lost, doubled or wrong; a
    /// hypervisor without any never returns.
    async fn hint(&self) -> InstanceId;
}
