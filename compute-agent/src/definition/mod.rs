//! The definition of an instance, part by part: what is wanted, and what a domain has. Pure.
//!
//! Each part is a file: what the spec wants of it, and how it is read from a domain's XML ([`read`]). Parts are
//! compared one by one, so that what differs is known, and a part that can be changed while the instance runs is
//! changed alone. So far none can: what differs is in force at the next start, and is told until then.
//!
//! What a domain has beside these parts (firmware, processor model, page cache) follows from the host's configuration. It
//! changes with the next start, and is no difference here.

pub mod cpu;
pub mod disk;
pub mod interface;
pub mod memory;
mod read;

use crate::storage::InstanceFiles;
use cpu::Cpu;
use disk::Disk;
use interface::Interface;
use iroko_agent_wire::{DefinitionPart, InstanceSpec};
use memory::Memory;

/// All parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Processors.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Disks, the seed among them.
    pub disks: Vec<Disk>,
    /// Interfaces, in the order in which the guest sees them.
    pub interfaces: Vec<Interface>,
}

impl Definition {
    /// What is wanted.
    pub fn wanted(spec: &InstanceSpec, files: &InstanceFiles) -> Self {
        Self {
            cpu: Cpu::wanted(spec),
            memory: Memory::wanted(spec),
            disks: Disk::wanted(files),
            interfaces: Interface::wanted(spec),
        }
    }

    /// What a domain's XML says; `None` where a part is missing.
    pub fn read(xml: &str) -> Option<Self> {
        let found = read::elements(xml)?;
        let (cpu, memory) = (Cpu::read(&found)?, Memory::read(&found)?);
        Some(Self { cpu, memory, disks: Disk::read(&found), interfaces: Interface::read(&found) })
    }

    /// The parts that a domain has otherwise.
    pub fn differs(&self, seen: &Self) -> Vec<DefinitionPart> {
        let parts = [
            (DefinitionPart::Cpu, self.cpu != seen.cpu),
            (DefinitionPart::Memory, self.memory != seen.memory),
            (DefinitionPart::Disk, disk::differ(&self.disks, &seen.disks)),
            (DefinitionPart::Interface, interface::differ(&self.interfaces, &seen.interfaces)),
        ];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
    }
}

#[cfg(test)]
mod tests;
