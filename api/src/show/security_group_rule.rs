//! Rules of security groups.

use crate::show::Show;
use iroko_model::security_group::{Remote, RuleParts};
use iroko_store::security_group_rule::SecurityGroupRule as Row;
use iroko_wire::label_map;
use iroko_wire::security_group_rule::*;

impl Show<SecurityGroupRule> for Row {
    fn show(self) -> SecurityGroupRule {
        let row = self;
        let parts: &RuleParts = row.rule.as_ref();
        let remote = parts.remote;
        SecurityGroupRule {
            id: row.id,
            security_group_id: row.security_group_id,
            direction: parts.direction.to_string(),
            ethertype: parts.ethertype.to_string(),
            protocol: parts.protocol.map(|protocol| protocol.to_string()),
            port_first: parts.ports.map(|ports| ports.from),
            port_last: parts.ports.map(|ports| ports.to),
            icmp_type: parts.icmp.map(|icmp| icmp.kind),
            icmp_code: parts.icmp.and_then(|icmp| icmp.code),
            remote_cidr: if let Remote::Cidr(range) = remote { Some(range.to_string()) } else { None },
            remote_group_id: if let Remote::Group(id) = remote { Some(id.as_uuid()) } else { None },
            remote_address_set_id: if let Remote::AddressSet(id) = remote { Some(id.as_uuid()) } else { None },
            labels: label_map(&row.labels),
            description: row.description,
            created_at: row.created_at,
        }
    }
}
