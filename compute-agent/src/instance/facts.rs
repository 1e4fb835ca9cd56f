//! What a decision depends on.

use super::record::Record;
use crate::hypervisor::DomainState;
use iroko_agent_wire::OperationSpec;

/// What is wanted of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Want {
    /// It exists and runs.
    Running,
    /// It exists and is off.
    Stopped,
    /// No trace of it is left: somebody said so.
    Gone,
    /// It stays as it is: nobody named it, which is no order to remove it.
    AsItIs,
}

/// Whether the instance's ports are plugged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// All of them.
    Ready,
    /// Not all yet.
    Waiting,
    /// Not all, and the patience of a new instance is over.
    Overdue,
}

/// Where a graceful stop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopClock {
    /// The guest is to be asked, for the first time or again.
    Due,
    /// It was asked a moment ago.
    Asked,
    /// It had its time.
    Overdue,
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is wanted.
    pub want: Want,
    /// Generation of the spec; of the record where there is no spec.
    pub generation: u64,
    /// The operation that was asked for last.
    pub operation: Option<OperationSpec>,
    /// What the hypervisor has; `None` where nothing is defined.
    pub domain: Option<DomainState>,
    /// What is defined, or runs, is not what is wanted.
    pub is_outdated: bool,
    /// The durable record.
    pub record: Option<&'a Record>,
    /// A complete disk is there.
    pub disk: bool,
    /// A complete seed is there.
    pub seed: bool,
    /// Anything is there beside the record, also half-made files.
    pub litter: bool,
    /// A start that was begun has had its time and has not ended.
    pub start_overdue: bool,
    /// Its ports.
    pub ports: Ports,
    /// The stop under way.
    pub stop: StopClock,
    /// Building has failed for good in this run of the agent.
    pub given_up: bool,
    /// A guest that shuts itself down shall stay off.
    pub stays_off: bool,
    /// The guest was asked to go down since it last started: that it goes down is no wish of its own.
    pub asked: bool,
    /// The host's disk has room for what the instance writes.
    pub room: bool,
}
