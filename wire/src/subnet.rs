//! Subnets.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use crate::range;
use iroko_model::subnet::{AddressPool, Gateway, SubnetPlan};
use iroko_model::{Description, Invalid, Labels, Name, NetworkId, ProjectId};
use serde::{Deserialize, Deserializer, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Asks for a subnet.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"network_id": "0198c0de-0000-7000-8000-000000000005", "name": "archives-v4", "cidr": "10.20.0.0/24"}))]
pub struct SubnetCreate {
    /// The network it is on.
    pub network_id: NetworkId,
    /// Name; need not be unique.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Range, `10.20.0.0/24` (/8 to /29) or `fd00:20::/64` (/64 to /120).
    pub cidr: String,
    /// Gateway address; the first of the range unless given, none with null.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gateway_ip: Option<Option<String>>,
    /// Addresses given to ports that name none, 1 to 16 pools; all but gateway and service unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 16)]
    pub allocation_pools: Option<Vec<AllocationPool>>,
    /// DNS servers that the network's resolver asks what it does not know itself, at most 3. They must be ports of the
    /// network to be reached.
    #[serde(default)]
    #[schema(max_items = 3)]
    pub dns_servers: Vec<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for SubnetCreate {
    fn check(&self, faults: &mut Faults) {
        if let Some(more) = self.plan().err() {
            faults.extend(more);
        }
    }
}

impl SubnetCreate {
    /// The range, divided.
    ///
    /// # Errors
    /// All fields that are at fault.
    pub fn plan(&self) -> Result<SubnetPlan, Faults> {
        let mut faults = Faults::default();
        let cidr = faults.take("/cidr", range(&self.cidr));
        let gateway = match self.gateway_ip.as_ref() {
            None => Some(Gateway::First),
            Some(None) => Some(Gateway::None),
            Some(Some(text)) => faults.take("/gateway_ip", address(text).map(Gateway::At)),
        };
        let pools = self.allocation_pools.as_deref().map(pools).transpose();
        let pools = faults.take("/allocation_pools", pools);
        let dns = faults.take("/dns_servers", addresses(&self.dns_servers));
        let (Some(cidr), Some(gateway), Some(pools), Some(dns)) = (cidr, gateway, pools, dns) else {
            return faults.finish_with(None);
        };
        SubnetPlan::new(cidr, gateway, pools, dns).map_err(|fault| Faults::one(pointer_of(&fault), fault))
    }
}

/// A field that is there, be it null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// Addresses in a row, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"start": "10.20.0.100", "end": "10.20.0.199"}))]
pub struct AllocationPool {
    /// The first.
    pub start: String,
    /// The last.
    pub end: String,
}

impl From<AddressPool> for AllocationPool {
    fn from(pool: AddressPool) -> Self {
        Self { start: pool.first.to_string(), end: pool.last.to_string() }
    }
}

fn pools(asked: &[AllocationPool]) -> Result<Vec<AddressPool>, Invalid> {
    let pool = |pool: &AllocationPool| Ok(AddressPool { first: address(&pool.start)?, last: address(&pool.end)? });
    asked.iter().map(pool).collect()
}

/// What may change of a subnet.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "the archives", "dns_servers": ["10.20.0.53"]}))]
pub struct SubnetSettings {
    /// Name; need not be unique.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Addresses given to ports that name none, 1 to 16 pools. Ports keep the addresses they have.
    #[schema(min_items = 1, max_items = 16)]
    pub allocation_pools: Vec<AllocationPool>,
    /// DNS servers that the network's resolver asks what it does not know itself, at most 3.
    #[serde(default)]
    #[schema(max_items = 3)]
    pub dns_servers: Vec<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for SubnetSettings {}

impl SubnetSettings {
    /// The plan of a subnet with this range and gateway, and these servers.
    ///
    /// # Errors
    /// The field that is at fault.
    pub fn plan(&self, cidr: ipnetwork::IpNetwork, gateway: Option<IpAddr>) -> Result<SubnetPlan, Faults> {
        let mut faults = Faults::default();
        let dns = faults.take("/dns_servers", addresses(&self.dns_servers));
        let pools = faults.take("/allocation_pools", pools(&self.allocation_pools));
        let (Some(dns), Some(pools)) = (dns, pools) else { return faults.finish_with(None) };
        SubnetPlan::new(cidr, gateway.map_or(Gateway::None, Gateway::At), Some(pools), dns)
            .map_err(|fault| Faults::one(pointer_of(&fault), fault))
    }
}

fn pointer_of(fault: &Invalid) -> &'static str {
    match fault.rule {
        "gateway_outside" => "/gateway_ip",
        "pools_count" | "pool_outside" | "pools_overlap" => "/allocation_pools",
        "dns_too_many" | "dns_no_host" | "dns_own" => "/dns_servers",
        _ => "/cidr",
    }
}

fn addresses(texts: &[String]) -> Result<Vec<IpAddr>, Invalid> {
    texts.iter().map(|text| address(text)).collect()
}

fn address(text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new("address_form", format!("{text:?} is not an IP address")))
}

/// A range of addresses on a network.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000006", "name": "archives-v4", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "network_id": "0198c0de-0000-7000-8000-000000000005",
    "cidr": "10.20.0.0/24", "gateway_ip": "10.20.0.1", "service_ip": "10.20.0.2",
    "allocation_pools": [{"start": "10.20.0.3", "end": "10.20.0.254"}], "dns_servers": [], "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z",
    "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Subnet {
    /// What every noun shows; the name need not be unique.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// Its network.
    pub network_id: NetworkId,
    /// Its range.
    pub cidr: String,
    /// Address kept for a router; null where there is none.
    pub gateway_ip: Option<String>,
    /// Address of the network's own DHCP and DNS service.
    pub service_ip: String,
    /// Addresses given to ports that name none.
    pub allocation_pools: Vec<AllocationPool>,
    /// DNS servers that the network's resolver asks what it does not know itself.
    pub dns_servers: Vec<String>,
}
