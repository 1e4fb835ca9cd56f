//! Counters that begin anew -> counts that only grow. Pure, but for its file.

use super::reading::{Counter, Meter};
use iroko_agent_wire::{PortCounts, RuleCounts};
use iroko_daemon::private;
use iroko_model::security_group::Direction;
use iroko_model::{PortId, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;

/// A counter that was not read so many times in a row is gone. One reading may miss what is there.
const MISSED: u8 = 3;

/// What was counted since when, and the last reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// False before the first reading: what the kernel has counted by then may have been told by an
    /// agent whose file is gone.
    has_read: bool,
    /// The last value of each counter.
    #[serde(with = "pairs")]
    last: BTreeMap<(Meter, u64), Last>,
    /// Of ports that are here and have carried something.
    pub ports: BTreeMap<PortId, PortCounts>,
    /// Of rules that are here and have let something through.
    pub rules: BTreeMap<SecurityGroupRuleId, RuleCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    packets: u64,
    bytes: u64,
    missed: u8,
}

impl Ledger {
    /// What an agent before kept; an empty one where the file is missing or not whole.
    pub fn load(path: &Path) -> Self {
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Replaces the file.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        if let Some(dir) = path.parent() {
            private::passage(dir)?;
        }
        let new = path.with_extension("new");
        private::write(&new, &serde_json::to_vec(self)?).and_then(|()| std::fs::rename(&new, path))
    }

    /// The ledger after a reading. `taps` and `rules` are those that are here: of all others nothing
    /// is kept. `epoch` names what begins to be counted now; another number each time.
    pub fn after(
        &self,
        reading: &[Counter],
        taps: &HashMap<String, PortId>,
        rules: &HashSet<SecurityGroupRuleId>,
        epoch: i64,
    ) -> Self {
        let mut after = Self { has_read: true, last: self.missed(), ..self.clone() };
        for counter in reading {
            let last = Last { packets: counter.packets, bytes: counter.bytes, missed: 0 };
            after.last.insert((counter.meter.clone(), counter.identity), last);
            let (packets, bytes) = self.growth(counter);
            if packets > 0 || bytes > 0 {
                after.add(&counter.meter, packets, bytes, taps, epoch);
            }
        }
        let here: HashSet<&PortId> = taps.values().collect();
        after.ports.retain(|id, _| here.contains(id));
        after.rules.retain(|id, _| rules.contains(id));
        after
    }

    /// The last values, as if the next reading had none of them.
    fn missed(&self) -> BTreeMap<(Meter, u64), Last> {
        let missed = |last: &Last| Last { missed: last.missed + 1, ..*last };
        let all = self.last.iter().map(|(key, last)| (key.clone(), missed(last)));
        all.filter(|(_, last)| last.missed < MISSED).collect()
    }

    /// What a counter counted since the last reading. One that is lower than it was began anew.
    fn growth(&self, now: &Counter) -> (u64, u64) {
        let Some(last) = self.last.get(&(now.meter.clone(), now.identity)) else {
            return if self.has_read { (now.packets, now.bytes) } else { (0, 0) };
        };
        match (now.packets.checked_sub(last.packets), now.bytes.checked_sub(last.bytes)) {
            (Some(packets), Some(bytes)) => (packets, bytes),
            _ => (now.packets, now.bytes),
        }
    }

    fn add(&mut self, meter: &Meter, packets: u64, bytes: u64, taps: &HashMap<String, PortId>, epoch: i64) {
        if let Meter::Rule(id) = meter {
            let rule = self.rules.entry(*id).or_insert_with(|| no_packets(*id, epoch));
            (rule.packets, rule.bytes) = (rule.packets + packets, rule.bytes + bytes);
        }
        let Some(id) = meter.tap().and_then(|tap| taps.get(tap)) else { return };
        let port = self.ports.entry(*id).or_insert_with(|| nothing(*id, epoch));
        match meter {
            Meter::Received(_) => {
                (port.rx_packets, port.rx_bytes) = (port.rx_packets + packets, port.rx_bytes + bytes);
            }
            Meter::Sent(_) => (port.tx_packets, port.tx_bytes) = (port.tx_packets + packets, port.tx_bytes + bytes),
            Meter::Refused(_) => port.tx_dropped_security += packets,
            Meter::Unallowed(_, Direction::Ingress) => port.rx_dropped_groups += packets,
            Meter::Unallowed(_, Direction::Egress) => port.tx_dropped_groups += packets,
            Meter::OverLimit(_, Direction::Ingress) => port.rx_dropped_limits += packets,
            Meter::OverLimit(_, Direction::Egress) => port.tx_dropped_limits += packets,
            Meter::Crowded(_, Direction::Ingress) => port.rx_dropped_flows += packets,
            Meter::Crowded(_, Direction::Egress) => port.tx_dropped_flows += packets,
            Meter::Unlogged(_) => port.records_lost += packets,
            Meter::Rule(_) => {}
        }
    }
}

const fn no_packets(id: SecurityGroupRuleId, epoch: i64) -> RuleCounts {
    RuleCounts { id, epoch, packets: 0, bytes: 0 }
}

const fn nothing(id: PortId, epoch: i64) -> PortCounts {
    PortCounts {
        id,
        epoch,
        rx_packets: 0,
        rx_bytes: 0,
        tx_packets: 0,
        tx_bytes: 0,
        rx_dropped_groups: 0,
        rx_dropped_limits: 0,
        tx_dropped_security: 0,
        tx_dropped_groups: 0,
        tx_dropped_limits: 0,
        records_lost: 0,
        rx_dropped_flows: 0,
        tx_dropped_flows: 0,
    }
}

/// JSON has no objects with keys that are not text.
mod pairs {
    use super::{BTreeMap, Last, Meter};
    use serde::{Deserialize, Deserializer, Serializer};

    type Map = BTreeMap<(Meter, u64), Last>;

    pub fn serialize<S: Serializer>(map: &Map, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        Ok(Vec::<((Meter, u64), Last)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
