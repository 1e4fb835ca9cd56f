//! Processors.

use super::read::{Element, first};
use iroko_agent_wire::InstanceSpec;

/// How many an instance has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Virtual processors.
    pub vcpus: u64,
}

impl Cpu {
    /// What is wanted.
    pub const fn wanted(spec: &InstanceSpec) -> Self {
        Self { vcpus: spec.resources.vcpus }
    }

    pub(super) fn read(domain: &[Element]) -> Option<Self> {
        Some(Self { vcpus: first(domain, "vcpu")?.text.trim().parse().ok()? })
    }
}
