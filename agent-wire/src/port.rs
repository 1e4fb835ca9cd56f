//! Ports on the host.

use crate::connection_log::ConnectionLogSpec;
use crate::key::ObjectKey;
use crate::kind::{Kind, Reference};
use crate::need::Need;
use iroko_model::port::{AddressPair, PortLimits};
use iroko_model::{Hostname, InstanceId, MacAddress, NetworkId, PortId, SecurityGroupId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A port of an instance on this host, as the net-agent shall plug it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// The port.
    pub id: PortId,
    /// Its network; always among the desired networks.
    pub network_id: NetworkId,
    /// The instance behind it.
    pub instance_id: InstanceId,
    /// Grows with every change; the observation carries it back.
    pub generation: u64,
    /// Name of the tap to make.
    pub tap: String,
    /// The guest's Ethernet address; it may use no other, beside those of `allowed_address_pairs`.
    pub mac: MacAddress,
    /// The guest's IP addresses; it may use no others, beside those of `allowed_address_pairs`.
    pub addresses: Vec<IpAddr>,
    /// The guest's name, for DHCP and DNS.
    pub hostname: Hostname,
    /// The groups that say what it may send and get; empty: nothing. None: the control plane is of
    /// a release that knows no groups; members of the network may talk to it, and it to anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// False: neither its addresses nor its groups are enforced.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_secured: bool,
    /// Further addresses it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_address_pairs: Vec<AddressPair>,
    /// How much it may carry.
    #[serde(default, skip_serializing_if = "PortLimits::is_none")]
    pub limits: PortLimits,
    /// What of its traffic is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_log: Option<ConnectionLogSpec>,
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_yes(is: &bool) -> bool {
    *is
}

impl Kind for PortSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::Port(self.id)
    }

    fn part_of(&self) -> Option<Need> {
        None
    }

    fn needs(&self, _: Option<NetworkId>) -> Vec<Reference> {
        let groups = self.security_group_ids.iter().flatten().map(|group| Need::SecurityGroup(*group));
        groups.chain([Need::Network(self.network_id)]).map(|need| (need, Some(self.network_id))).collect()
    }
}
