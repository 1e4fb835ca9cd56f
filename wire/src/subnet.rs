//! Subnets.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use crate::range;
use iroko_model::subnet::SubnetPlan;
use iroko_model::{Description, Invalid, Labels, Name, NetworkId, ProjectId};
use serde::{Deserialize, Serialize};
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
    /// Gateway address; the first of the range unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_ip: Option<String>,
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
        let gateway = faults.take("/gateway_ip", self.gateway_ip.as_deref().map(address).transpose());
        let dns = faults.take("/dns_servers", addresses(&self.dns_servers));
        let (Some(cidr), Some(gateway), Some(dns)) = (cidr, gateway, dns) else { return faults.finish_with(None) };
        SubnetPlan::new(cidr, gateway, dns).map_err(|fault| Faults::one(pointer_of(&fault), fault))
    }
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
    pub fn plan(&self, cidr: ipnetwork::IpNetwork, gateway: IpAddr) -> Result<SubnetPlan, Faults> {
        let dns = addresses(&self.dns_servers).map_err(|fault| Faults::one("/dns_servers", fault))?;
        SubnetPlan::new(cidr, Some(gateway), dns).map_err(|fault| Faults::one(pointer_of(&fault), fault))
    }
}

fn pointer_of(fault: &Invalid) -> &'static str {
    match fault.rule {
        "gateway_outside" => "/gateway_ip",
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
    "cidr": "10.20.0.0/24", "gateway_ip": "10.20.0.1", "service_ip": "10.20.0.2", "pool_first": "10.20.0.3",
    "pool_last": "10.20.0.254", "dns_servers": [], "labels": {}, "generation": 1, "created_at": "2026-11-23T08:00:00Z",
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
}
