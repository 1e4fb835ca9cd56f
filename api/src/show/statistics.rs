//! Statistics of ports and of rules.

use iroko_store::statistics::{PortStatistics as PortRow, RuleStatistics as RuleRow};
use iroko_wire::statistics::*;
use uuid::Uuid;

/// Shows a row of the store.
pub fn of_port(port_id: Uuid, row: &PortRow) -> PortStatistics {
    let count = |index: usize| row.counts.get(index).copied().unwrap_or_default();
    PortStatistics {
        port_id,
        measured_at: row.measured_at,
        rx_packets: count(0),
        rx_bytes: count(1),
        tx_packets: count(2),
        tx_bytes: count(3),
        rx_dropped: ReceivedDropped { security_groups: count(4), limits: count(5), flows: count(10) },
        tx_dropped: SentDropped {
            port_security: count(6),
            security_groups: count(7),
            limits: count(8),
            flows: count(11),
        },
    }
}

/// Shows rows of the store.
pub fn of_group(security_group_id: Uuid, rows: Vec<RuleRow>) -> SecurityGroupStatistics {
    let rule = |row: RuleRow| {
        let count = |index: usize| row.counts.get(index).copied().unwrap_or_default();
        let (packets, bytes) = (count(0), count(1));
        RuleStatistics { rule_id: row.rule_id, measured_at: row.measured_at, packets, bytes }
    };
    SecurityGroupStatistics { security_group_id, rules: rows.into_iter().map(rule).collect() }
}
