//! Networks.

use crate::key::ObjectKey;
use crate::kind::Kind;
use crate::need::Need;
use ipnetwork::IpNetwork;
use iroko_model::{NetworkId, SubnetId, Vni};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A tenant network as a net-agent shall carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The network.
    pub id: NetworkId,
    /// Grows with every change.
    pub generation: u64,
    /// Its identifier on the wire; also names bridge and VXLAN device.
    pub vni: Vni,
    /// MTU of guests on it.
    pub mtu: u32,
    /// DNS domain of the network's instances, `archives.internal`.
    pub domain: String,
    /// Its subnets.
    pub subnets: Vec<SubnetSpec>,
}

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetSpec {
    /// The subnet.
    pub id: SubnetId,
    /// Its range, host bits zero.
    pub cidr: IpNetwork,
    /// The gateway address, told to guests only where a router answers on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The address of the network's own DHCP and DNS service, the same on every host: each host's
    /// service answers only its own instances.
    pub service: IpAddr,
    /// Resolvers told to guests after the service itself.
    #[serde(default)]
    pub dns_servers: Vec<IpAddr>,
}

impl Kind for NetworkSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::Network(self.id)
    }

    fn part_of(&self) -> Option<Need> {
        Some(Need::Network(self.id))
    }
}
