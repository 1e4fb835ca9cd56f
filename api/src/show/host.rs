//! Hosts and enrolment tokens, for operators.

use crate::show::Show;
use iroko_identity::noun::common;
use iroko_store::host::{EnrolmentToken as TokenRow, Host as Row};
use iroko_wire::host::*;

impl Show<Host> for Row {
    fn show(self) -> Host {
        let row = self;
        Host {
            common: common(row.common),
            reachable: row.reachable,
            state: row.state,
            architecture: row.architecture,
            disk: row.disk_total_mib.zip(row.disk_free_mib).map(|(total_mib, free_mib)| HostDisk {
                total_mib,
                free_mib,
                full: row.disk_is_full,
            }),
            vtep_ip: row.vtep.map(|vtep| vtep.ip().to_string()),
            instances: row.used.instances,
            capacity: Amounts {
                vcpus: row.vcpus.unwrap_or(0),
                memory_mib: row.memory_mib.unwrap_or(0),
                disk_gib: row.disk_gib.unwrap_or(0),
            },
            used: Amounts { vcpus: row.used.vcpus, memory_mib: row.used.memory_mib, disk_gib: row.used.disk_gib },
            compute_version: row.agents.compute.version,
            net_version: row.agents.net.version,
            compute_seen_at: row.agents.compute.seen_at,
            net_seen_at: row.agents.net.seen_at,
        }
    }
}

impl Show<EnrolmentToken> for TokenRow {
    fn show(self) -> EnrolmentToken {
        let row = self;
        let TokenRow { id, host_name, used_by, created_at, expires_at } = row;
        EnrolmentToken { id, token: None, host_name, used_by, created_at, expires_at }
    }
}
