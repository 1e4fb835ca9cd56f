//! How many flows a port has room for in its host's table of flows (conntrack), which all tenants and the host
//! itself share. Pure.
//!
//! A part of the table is kept for the host. The rest is divided among the ports, and the services of networks, so that all of them
//! together cannot fill it, whatever they do. A flow between two ports is counted at both, for it has an entry on the
//! host of each: so a port has its room twice, for what it begins and for what others begin to it.

use crate::object::Value;
use iroko_agent_link::Desired;

/// A port has room for so many, however many ports there are. With more ports than a small table has room for, the
/// operator is told.
pub const LEAST: u32 = 256;
/// Both ways.
const WAYS: u32 = 2;
/// What the kernel has where it does not say.
const TABLE: u32 = 262_144;

/// What an operator and the kernel say about flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Entries of the host's table.
    pub table: u32,
    /// Of these, for the host itself.
    pub kept_for_host: u32,
    /// Most flows of a port at a time, each way.
    pub most: u32,
    /// Most flows of a port that begin in a second, each way.
    pub per_second: u32,
}

/// How many share the table: ports, and the services of networks.
pub fn sharers(desired: &Desired) -> usize {
    desired.ports.len() + desired.networks.len()
}

impl Settings {
    /// The room of each port, each way, where there are so many ports: a power of two, so that few ports that
    /// come or go change it.
    pub fn room(&self, ports: usize) -> u32 {
        let ports = u32::try_from(ports).unwrap_or(u32::MAX).max(1);
        let share = self.table.saturating_sub(self.kept_for_host) / ports.saturating_mul(WAYS);
        let power = share.checked_ilog2().map_or(1, |log| 1 << log);
        power.min(self.most).max(LEAST.min(self.most)).max(1)
    }

    /// The same as the value of an element.
    pub fn value(&self, ports: usize) -> Value {
        Value::Flows { most: self.room(ports), per_second: self.per_second.max(1) }
    }

    /// Most ports for which there is [`LEAST`] room.
    pub const fn ports(&self) -> u32 {
        self.table.saturating_sub(self.kept_for_host) / (LEAST * WAYS)
    }
}

/// Entries that the kernel's table has.
pub fn table() -> u32 {
    let said = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").ok();
    said.and_then(|text| text.trim().parse().ok()).filter(|most| *most > 0).unwrap_or(TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn room_shrinks_with_the_number_of_ports() {
        let settings = Settings { table: 262_144, kept_for_host: 32_768, most: 8192, per_second: 1000 };
        let of = [0, 1, 13, 14, 15, 28, 100, 447, 448, 100_000].map(|ports| settings.room(ports));
        assert_eq!(of, [8192, 8192, 8192, 8192, 4096, 4096, 1024, 256, 256, 256]);
        assert_eq!(settings.ports(), 448);
        assert_eq!(Settings { most: 100, ..settings }.room(1000), 100, "the operator's word");
        assert_eq!(Settings { table: 10, ..settings }.room(1), LEAST);
    }

    proptest! {
        /// However many ports there are, all of them together leave the host its part.
        #[test]
        fn the_hosts_part_is_left(table in 1u32.., kept in 0u32.., most in 1u32.., ports in 1u32..5000) {
            let settings = Settings { table, kept_for_host: kept, most, per_second: 1 };
            let room = settings.room(usize::try_from(ports).unwrap());
            prop_assert!(room <= most);
            if ports <= settings.ports() {
                prop_assert!(u64::from(room) * u64::from(WAYS) * u64::from(ports) <= u64::from(table.saturating_sub(kept)));
            }
        }
    }
}
