//! Hosts and enrolment tokens, for operators.

use crate::show::Show;
use iroko_store::host::{EnrolmentToken as TokenRow, Host as Row};
use iroko_wire::host::*;
use iroko_wire::label_map;
use std::time::Duration;
use time::OffsetDateTime;

/// Shows a row; silent for longer than `lease` is not reachable.
pub fn of(row: Row, lease: Duration) -> Host {
    let heard = |seen: Option<OffsetDateTime>| seen.is_some_and(|at| OffsetDateTime::now_utc() - at < lease);
    Host {
        reachable: heard(row.compute_seen_at) && heard(row.net_seen_at),
        id: row.id,
        name: row.name,
        state: row.state,
        architecture: row.architecture,
        disk: row.disk_total_mib.zip(row.disk_free_mib).map(|(total_mib, free_mib)| HostDisk {
            total_mib,
            free_mib,
            full: row.disk_is_full,
        }),
        vtep_ip: row.vtep.map(|vtep| vtep.ip().to_string()),
        instances: row.instances,
        capacity: Amounts {
            vcpus: row.vcpus.unwrap_or(0),
            memory_mib: row.memory_mib.unwrap_or(0),
            disk_gib: row.disk_gib.unwrap_or(0),
        },
        used: Amounts { vcpus: row.vcpus_used, memory_mib: row.memory_used_mib, disk_gib: row.disk_used_gib },
        labels: label_map(&row.labels),
        compute_seen_at: row.compute_seen_at,
        net_seen_at: row.net_seen_at,
        created_at: row.created_at,
    }
}

impl Show<EnrolmentToken> for TokenRow {
    fn show(self) -> EnrolmentToken {
        let row = self;
        let TokenRow { id, host_name, used_by, created_at, expires_at } = row;
        EnrolmentToken { id, token: None, host_name, used_by, created_at, expires_at }
    }
}
