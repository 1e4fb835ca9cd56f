//! Ports.

use crate::show::{Show, told};
use iroko_model::port::{PortState, status};
use iroko_store::port::Port as Row;
use iroko_wire::label_map;
use iroko_wire::port::*;

impl Show<Port> for Row {
    fn show(self) -> Port {
        let row = self;
        let observed = match row.observed_state.as_deref() {
            Some("ready") => Some(PortState::Ready),
            Some(_) => Some(PortState::Failed),
            None => None,
        };
        let (status_code, status_reason) = told(row.observed_reason.map(|reason| reason.0));
        Port {
            id: row.id,
            project_id: row.project_id,
            description: row.description,
            network_id: row.network_id,
            name: row.name,
            instance_id: row.instance_id,
            mac_address: row.mac.to_string().to_lowercase(),
            ip_addresses: row.addresses.0.into_iter().map(|a| a.address.to_string()).collect(),
            status: status(row.bound, observed).to_owned(),
            status_code,
            status_reason,
            security_group_ids: row.security_group_ids,
            port_security_enabled: row.port_security_enabled,
            allowed_address_pairs: row.allowed_address_pairs.0.into_iter().map(AllowedAddressPair::from).collect(),
            qos_policy_id: row.qos_policy_id,
            network_limits: row.limits.0.into(),
            generation: row.generation,
            labels: label_map(&row.labels),
            observed_generation: row.observed_generation,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
