//! Ports.

use crate::fault::{Checked, Faults};
use crate::flavor::NetworkLimits;
use crate::security_group::group_ids;
use crate::{LabelMap, range};
use iroko_model::port::AddressPair;
use iroko_model::reason::Code;
use iroko_model::{Description, Invalid, Labels, MacAddress, Name, Naming, NetworkId, QosPolicyId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a port that stands alone: its addresses are kept until it is deleted, and an instance
/// can be made with it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"network_id": "0198c0de-0000-7000-8000-000000000005", "name": "database"}))]
pub struct PortCreate {
    /// Its network.
    pub network_id: Uuid,
    /// Name; need not be unique.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// IP addresses of subnets of the network, one of each family at most; any that are free unless given. They need not be
    /// in the allocation pools.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 2)]
    pub ip_addresses: Vec<IpAddr>,
    /// Ethernet address; one that nobody has unless given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub mac_address: Option<MacAddress>,
    /// The security groups it is in, at most 16; the project's default group unless given.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub security_group_ids: Option<Vec<Uuid>>,
    /// Further addresses its instance may use, at most 16.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub allowed_address_pairs: Option<Vec<AllowedAddressPair>>,
    /// The QoS policy that says how much it may carry; none unless given.
    #[serde(default)]
    pub qos_policy_id: Option<Uuid>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for PortCreate {
    fn check(&self, faults: &mut Faults) {
        if let Some(more) = CheckedPort::try_from(self.clone()).err() {
            faults.extend(more);
        }
    }
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedPort {
    /// Its network.
    pub network_id: NetworkId,
    /// What people write on it.
    pub naming: Naming,
    /// The IP addresses asked for.
    pub ip_addresses: Vec<IpAddr>,
    /// The Ethernet address asked for.
    pub mac_address: Option<MacAddress>,
    /// The groups asked for.
    pub security_group_ids: Option<Vec<Uuid>>,
    /// Further addresses.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// Its QoS policy.
    pub qos_policy_id: Option<QosPolicyId>,
}

impl TryFrom<PortCreate> for CheckedPort {
    type Error = Faults;

    fn try_from(wire: PortCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let groups = faults.take("/security_group_ids", wire.security_group_ids.map(group_ids).transpose());
        check_addresses("", &wire.ip_addresses, wire.mac_address, &mut faults);
        let (ip_addresses, mac_address) = (wire.ip_addresses, wire.mac_address);
        let pairs = address_pairs(wire.allowed_address_pairs.unwrap_or_default(), &mut faults);
        let (network_id, qos_policy_id) = (wire.network_id.into(), wire.qos_policy_id.map(QosPolicyId::from));
        let naming = Naming { name: wire.name, description: wire.description, labels: wire.labels };
        let checked = groups.zip(pairs).map(|(security_group_ids, allowed_address_pairs)| Self {
            network_id,
            naming,
            ip_addresses,
            mac_address,
            security_group_ids,
            allowed_address_pairs,
            qos_policy_id,
        });
        faults.finish_with(checked)
    }
}

/// Checks addresses that are asked for a port, as far as they can be without its network. `at`: the pointer of what asks.
pub(crate) fn check_addresses(at: &str, addresses: &[IpAddr], mac: Option<MacAddress>, faults: &mut Faults) {
    for (index, address) in addresses.iter().enumerate() {
        if addresses[..index].iter().any(|before| before.is_ipv4() == address.is_ipv4()) {
            let text = "a port has one address of each family; make another port for another address";
            faults.note(&format!("{at}/ip_addresses/{index}"), Invalid::new("address_family_twice", text));
        }
    }
    faults.take(&format!("{at}/mac_address"), mac.map(MacAddress::check_port).transpose());
}

/// Most allowed address pairs of a port.
pub const ADDRESS_PAIRS_MAX: usize = 16;

/// Further addresses that a port's instance may send from and is sent to, for instances that share one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"cidr": "10.20.0.100/32"}))]
pub struct AllowedAddressPair {
    /// The Ethernet address that goes with them; the port's own unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// The addresses; the widest are /16 and, of IPv6, /48.
    pub cidr: String,
}

impl TryFrom<AllowedAddressPair> for AddressPair {
    type Error = Invalid;

    fn try_from(wire: AllowedAddressPair) -> Result<Self, Invalid> {
        let mac = wire.mac_address.map(|text| text.parse()).transpose()?;
        Self::new(mac, range(&wire.cidr)?)
    }
}

impl From<AddressPair> for AllowedAddressPair {
    fn from(pair: AddressPair) -> Self {
        Self { mac_address: pair.mac.map(|mac| mac.to_string()), cidr: pair.cidr.to_string() }
    }
}

/// `None` where one is at fault.
fn address_pairs(asked: Vec<AllowedAddressPair>, faults: &mut Faults) -> Option<Vec<AddressPair>> {
    if asked.len() > ADDRESS_PAIRS_MAX {
        let text = format!("a port has at most {ADDRESS_PAIRS_MAX} allowed address pairs; put ranges together");
        faults.note("/allowed_address_pairs", Invalid::new("address_pairs_too_many", text));
        return None;
    }
    let pairs = asked.into_iter().enumerate();
    pairs.map(|(index, pair)| faults.take(&format!("/allowed_address_pairs/{index}"), pair.try_into())).collect()
}

/// What may change of a port.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"security_group_ids": ["0198c0de-0000-7000-8000-000000000020"]}))]
pub struct PortSettings {
    /// Name; need not be unique. Ports made with an instance have none unless they are given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// The security groups it is in, at most 16; they take the place of all it was in. With none it sends and gets nothing.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub security_group_ids: Vec<Uuid>,
    /// Further addresses its instance may use, at most 16; they take the place of all there were.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub allowed_address_pairs: Vec<AllowedAddressPair>,
    /// False: neither its addresses nor its groups are enforced. To switch it off needs `port.disable_security`.
    #[serde(default = "yes")]
    pub port_security_enabled: bool,
    /// The QoS policy that says how much it may carry; null takes it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<QosPolicyId>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for PortSettings {
    fn check(&self, faults: &mut Faults) {
        if let Some(more) = self.checked().err() {
            faults.extend(more);
        }
    }
}

const fn yes() -> bool {
    true
}

impl PortSettings {
    /// The groups and the further addresses, checked.
    ///
    /// # Errors
    /// All that are at fault.
    pub fn checked(&self) -> Result<(Vec<Uuid>, Vec<AddressPair>), Faults> {
        let mut faults = Faults::default();
        let groups = faults.take("/security_group_ids", group_ids(self.security_group_ids.clone()));
        let pairs = address_pairs(self.allowed_address_pairs.clone(), &mut faults);
        faults.finish_with(groups.zip(pairs))
    }
}

/// A place on a network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000007", "network_id": "0198c0de-0000-7000-8000-000000000005",
    "name": "database", "instance_id": null, "mac_address": "02:7c:11:22:33:44", "ip_addresses": ["10.20.0.17"],
    "status": "pending", "security_group_ids": ["0198c0de-0000-7000-8000-000000000020"], "port_security_enabled": true,
    "allowed_address_pairs": [], "qos_policy_id": "0198c0de-0000-7000-8000-000000000023", "network_limits": {"egress_kbit_s": 20000}, "labels": {},
    "description": "", "project_id": "0198c0de-0000-7000-8000-000000000003", "generation": 1, "observed_generation": 1,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Port {
    /// Its id.
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// Its network.
    pub network_id: Uuid,
    /// Its name; empty for ports made with an instance, until they are given one.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The instance it is plugged into.
    pub instance_id: Option<Uuid>,
    /// Ethernet address.
    pub mac_address: String,
    /// IP addresses, IPv4 first.
    pub ip_addresses: Vec<String>,
    /// `pending` (no host yet), `building`, `active` or `error`.
    #[schema(pattern = "^(pending|building|active|error)$")]
    pub status: String,
    /// Why, in one word that programs compare; where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<iroko_model::reason::Code>)]
    pub status_code: Option<Code>,
    /// Why, in a sentence, in the language of `Accept-Language`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// The security groups it is in.
    pub security_group_ids: Vec<Uuid>,
    /// Its addresses and its groups are enforced.
    pub port_security_enabled: bool,
    /// Further addresses its instance may use.
    pub allowed_address_pairs: Vec<AllowedAddressPair>,
    /// Its QoS policy.
    pub qos_policy_id: Option<Uuid>,
    /// How much it may carry: value by value the smaller of its policy's and its instance's limit.
    pub network_limits: NetworkLimits,
    /// Labels.
    #[schema(value_type = iroko_model::Labels)]
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// The generation that its host has carried out: what was asked for up to it is in force.
    pub observed_generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When what is wanted of it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}
