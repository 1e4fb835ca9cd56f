//! The real hypervisor: libvirt, behind a fence.
//!
//! [`fence`] owns the threads that may block and their connections, [`domain`] the verbs on one
//! connection, [`events`] the hints, [`lost_start`] what is mended before the daemon starts. Nothing of libvirt's types leaves this folder.

mod connection;
mod domain;
mod events;
mod fence;
pub mod lost_start;

pub use fence::FenceError;

use super::{DomainState, Hypervisor, HypervisorError};
use crate::config::Config;
use crate::definition::Definition;
use connection::Connection;
use events::Hints;
use fence::Fence;
use iroko_model::InstanceId;
use std::collections::HashMap;
use std::time::Duration;

/// Instances of one libvirt daemon. Made once; connects by itself whenever the daemon is there.
pub struct LibvirtHypervisor {
    fence: Fence,
    hints: Hints,
    timeout: Duration,
}

impl LibvirtHypervisor {
    /// Starts the threads. Needs no daemon yet.
    pub fn start(config: &Config) -> Result<Self, FenceError> {
        // Errors are returned and logged with their context; the library would print them as well.
        virt::error::clear_error_callback();
        let fence = Fence::start(&config.libvirt_uri, config.hypervisor_workers, config.hypervisor_queue)?;
        let hints = Hints::start(&config.libvirt_uri)?;
        Ok(Self { fence, hints, timeout: config.hypervisor_timeout() })
    }

    async fn on(
        &self,
        verb: &'static str,
        id: InstanceId,
        act: impl FnOnce(&Connection) -> Result<(), domain::Failed> + Send + 'static,
    ) -> Result<(), HypervisorError> {
        self.fence.call(verb, Some(id), self.timeout, act).await
    }
}

#[async_trait::async_trait]
impl Hypervisor for LibvirtHypervisor {
    async fn list(&self) -> Result<HashMap<InstanceId, DomainState>, HypervisorError> {
        self.fence.call("list", None, self.timeout, domain::list).await
    }

    async fn state(&self, id: InstanceId) -> Result<Option<DomainState>, HypervisorError> {
        self.fence.call("look at", Some(id), self.timeout, move |connection| domain::state(connection, id)).await
    }

    async fn definition(&self, id: InstanceId) -> Result<Option<Definition>, HypervisorError> {
        self.fence.call("read", Some(id), self.timeout, move |connection| domain::definition(connection, id)).await
    }

    async fn define(&self, id: InstanceId, xml: &str) -> Result<(), HypervisorError> {
        let xml = xml.to_owned();
        self.on("define", id, move |connection| domain::define(connection, id, &xml)).await
    }

    async fn start(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.on("start", id, move |connection| domain::start(connection, id)).await
    }

    async fn resume(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.on("resume", id, move |connection| domain::resume(connection, id)).await
    }

    async fn shutdown(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.on("shut down", id, move |connection| domain::shutdown(connection, id)).await
    }

    async fn destroy(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.on("switch off", id, move |connection| domain::destroy(connection, id)).await
    }

    async fn undefine(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.on("forget", id, move |connection| domain::undefine(connection, id)).await
    }

    async fn hint(&self) -> InstanceId {
        self.hints.next().await
    }
}

#[cfg(test)]
mod tests;
