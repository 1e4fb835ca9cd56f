//! Subnets.

use crate::show::Show;
use ipnetwork::IpNetwork;
use iroko_store::subnet::Subnet as Row;
use iroko_wire::label_map;
use iroko_wire::subnet::*;

impl Show<Subnet> for Row {
    fn show(self) -> Subnet {
        let row = self;
        let ip = |address: IpNetwork| address.ip().to_string();
        Subnet {
            id: row.id,
            network_id: row.network_id,
            name: row.name,
            cidr: row.cidr.to_string(),
            gateway_ip: ip(row.gateway),
            service_ip: ip(row.service),
            pool_first: ip(row.pool_first),
            pool_last: ip(row.pool_last),
            dns_servers: row.dns_servers.into_iter().map(ip).collect(),
            labels: label_map(&row.labels),
            created_at: row.created_at,
        }
    }
}
