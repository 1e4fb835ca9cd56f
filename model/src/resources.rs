//! What an instance takes from a host, and what a host has.

use serde::{Deserialize, Serialize};

/// An amount of compute: virtual processors, memory and local disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Virtual processors.
    pub vcpus: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Local disk in GiB.
    pub disk_gib: u64,
}

impl Resources {
    /// True where all three amounts fit into `room`.
    pub const fn fits_in(&self, room: &Self) -> bool {
        self.vcpus <= room.vcpus && self.memory_mib <= room.memory_mib && self.disk_gib <= room.disk_gib
    }

    /// `self - other`, each amount stopping at zero: an overcommitted host has no room, not a debt.
    pub const fn saturating_sub(&self, other: &Self) -> Self {
        Self {
            vcpus: self.vcpus.saturating_sub(other.vcpus),
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            disk_gib: self.disk_gib.saturating_sub(other.disk_gib),
        }
    }

    /// The sum of both amounts.
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            vcpus: self.vcpus + other.vcpus,
            memory_mib: self.memory_mib + other.memory_mib,
            disk_gib: self.disk_gib + other.disk_gib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_needs_every_amount() {
        let of = |vcpus, memory_mib, disk_gib| Resources { vcpus, memory_mib, disk_gib };
        assert!(of(2, 512, 4).fits_in(&of(2, 512, 4)));
        for room in [of(1, 512, 4), of(2, 511, 4), of(2, 512, 3)] {
            assert!(!of(2, 512, 4).fits_in(&room));
        }
        assert_eq!(of(1, 10, 1).saturating_sub(&of(2, 4, 1)), of(0, 6, 0));
        assert_eq!(of(1, 2, 3).plus(&of(1, 1, 1)), of(2, 3, 4));
    }
}
