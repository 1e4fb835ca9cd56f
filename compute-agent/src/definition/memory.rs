//! Memory.

use super::read::{Element, first};
use iroko_agent_wire::InstanceSpec;

/// KiB in a MiB.
const KIB_OF_MIB: u64 = 1024;

/// How much an instance has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Its size.
    pub memory_mib: u64,
}

impl Memory {
    /// What is wanted.
    pub const fn wanted(spec: &InstanceSpec) -> Self {
        Self { memory_mib: spec.resources.memory_mib }
    }

    /// Libvirt gives back KiB, whatever the unit it was given.
    pub(super) fn read(domain: &[Element]) -> Option<Self> {
        let memory = first(domain, "memory")?;
        let size: u64 = memory.text.trim().parse().ok()?;
        match memory.attribute("unit").unwrap_or("KiB") {
            "KiB" => Some(Self { memory_mib: size / KIB_OF_MIB }),
            "MiB" => Some(Self { memory_mib: size }),
            _ => None,
        }
    }
}
