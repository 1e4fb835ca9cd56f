//! Subnets.

use crate::fault::Faults;
use crate::{LabelMap, labels, range};
use iroko_model::subnet::SubnetPlan;
use iroko_model::{Invalid, Labels, Name, NetworkId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a subnet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"network_id": "0198c0de-0000-7000-8000-000000000005", "name": "archives-v4", "cidr": "10.20.0.0/24"}))]
pub struct SubnetCreate {
    /// The network it is on.
    pub network_id: Uuid,
    /// Name; need not be unique.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Range, `10.20.0.0/24` (/8 to /29) or `fd00:20::/64` (/64 to /120).
    pub cidr: String,
    /// Gateway address; the first of the range unless given.
    #[serde(default)]
    pub gateway_ip: Option<String>,
    /// DNS servers that the network's resolver asks what it does not know itself, at most 3. They must be ports of the
    /// network to be reached.
    #[serde(default)]
    pub dns_servers: Option<Vec<String>>,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedSubnet {
    /// Its network.
    pub network_id: NetworkId,
    /// Name.
    pub name: Name,
    /// Range, gateway, pool.
    pub plan: SubnetPlan,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<SubnetCreate> for CheckedSubnet {
    type Error = Faults;

    fn try_from(wire: SubnetCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        let cidr = faults.take("/cidr", range(&wire.cidr));
        let gateway = faults.take("/gateway_ip", wire.gateway_ip.as_deref().map(address).transpose());
        let dns = wire.dns_servers.unwrap_or_default().iter().map(|text| address(text)).collect();
        let dns = faults.take("/dns_servers", dns);
        let (Some(cidr), Some(gateway), Some(dns)) = (cidr, gateway, dns) else { return faults.finish_with(None) };
        let plan = SubnetPlan::new(cidr, gateway, dns);
        let pointer = plan.as_ref().err().map_or("/cidr", |e| pointer_of(e));
        let plan = faults.take(pointer, plan);
        let (Some(name), Some(plan), Some(labels)) = (name, plan, labels) else { return faults.finish_with(None) };
        Ok(Self { network_id: wire.network_id.into(), name, plan, labels })
    }
}

fn pointer_of(fault: &Invalid) -> &'static str {
    match fault.rule {
        "gateway_outside" => "/gateway_ip",
        "dns_too_many" | "dns_no_host" | "dns_own" => "/dns_servers",
        _ => "/cidr",
    }
}

fn address(text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new("address_form", format!("{text:?} is not an IP address")))
}

/// An address range on a network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000006", "network_id": "0198c0de-0000-7000-8000-000000000005",
    "name": "archives-v4", "cidr": "10.20.0.0/24", "gateway_ip": "10.20.0.1", "service_ip": "10.20.0.2",
    "pool_first": "10.20.0.3", "pool_last": "10.20.0.254", "dns_servers": [], "labels": {}, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Subnet {
    /// Its id.
    pub id: Uuid,
    /// Its network.
    pub network_id: Uuid,
    /// Its name; need not be unique.
    pub name: String,
    /// Its range.
    pub cidr: String,
    /// Address kept for a router.
    pub gateway_ip: String,
    /// Address of the network's own DHCP and DNS service.
    pub service_ip: String,
    /// First address given to ports.
    pub pool_first: String,
    /// Last address given to ports.
    pub pool_last: String,
    /// DNS servers that the network's resolver asks what it does not know itself.
    pub dns_servers: Vec<String>,
    /// Labels.
    pub labels: LabelMap,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
