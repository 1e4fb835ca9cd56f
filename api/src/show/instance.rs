//! Instances.

use crate::show::{Show, told};
use iroko_identity::noun::common;
use iroko_store::instance::{Instance as Row, Interface as InterfaceRow};
use iroko_wire::instance::*;

impl Show<Interface> for InterfaceRow {
    fn show(self) -> Interface {
        let row = self;
        let ip_addresses = row.addresses.into_iter().map(|a| a.address.to_string()).collect();
        Interface {
            port_id: row.port_id,
            network_id: row.network_id,
            mac_address: row.mac,
            ip_addresses,
            security_group_ids: row.groups,
            qos_policy_id: row.policy,
        }
    }
}

/// Shows a row; the host only to an operator.
pub fn of(row: Row, to_operator: bool) -> Instance {
    let (status_code, status_reason) = told(row.status_reason());
    Instance {
        status: row.status().as_str().to_owned(),
        status_code,
        status_reason,
        host_id: row.host_id.filter(|_| to_operator),
        common: common(row.common),
        project_id: row.project_id,
        hostname: row.hostname,
        flavor_id: row.flavor_id,
        vcpus: row.vcpus,
        memory_mib: row.memory_mib,
        disk_gib: row.disk_gib,
        network_limits: row.limits.0.into(),
        image_id: row.image_id,
        ssh_key_ids: row.ssh_key_ids,
        interfaces: row.interfaces.0.into_iter().map(Show::show).collect(),
        on_guest_shutdown: row.on_guest_shutdown,
        guest_shutdown_at: row.guest_shutdown_at,
        observed_generation: row.observed_generation,
        deleted_at: row.deleted_at,
    }
}
