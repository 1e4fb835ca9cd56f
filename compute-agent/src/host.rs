//! What all tasks of one agent share.

use crate::config::Config;
use crate::domain_xml::DomainHost;
use crate::hypervisor::Hypervisor;
use crate::storage::Storage;
use iroko_agent_link::{DesiredHandle, ReadyPorts, Reporter};
use iroko_agent_wire::InstanceSpec;
use iroko_model::InstanceId;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(crate) struct Host {
    pub config: Config,
    pub domains: DomainHost,
    pub desired: DesiredHandle,
    pub reporter: Reporter,
    pub ready: ReadyPorts,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub storage: Arc<dyn Storage>,
    pub starts: Semaphore,
}

/// What is known of an instance's being wanted.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// Nothing is known yet: leave everything as it is.
    Unknown,
    /// Nobody named it, and nobody said that it is gone: leave it as it is, and tell. What was last desired of it, where
    /// that is known.
    Orphan(Option<Arc<InstanceSpec>>),
    /// It was told to be gone.
    Gone,
    /// It is.
    Spec(Arc<InstanceSpec>),
}

impl Host {
    pub(crate) fn wanted(&self, id: InstanceId) -> Wanted {
        let desired = self.desired.read();
        match desired.instances.get(&id) {
            _ if !desired.known => Wanted::Unknown,
            Some(spec) => Wanted::Spec(spec.clone()),
            None if desired.gone.contains(&id) => Wanted::Gone,
            None => Wanted::Orphan(desired.orphans.get(&id).cloned()),
        }
    }
}
