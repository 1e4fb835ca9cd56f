//! Ports of the host's networks on other hosts.

use crate::key::ObjectKey;
use crate::kind::Kind;
use crate::need::Need;
use iroko_model::port::AddressPair;
use iroko_model::{HostId, Hostname, MacAddress, NetworkId, PortId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A port of the same network on another host: where its MAC address lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSpec {
    /// The port.
    pub port_id: PortId,
    /// The network.
    pub network_id: NetworkId,
    /// The host it is on. An agent ignores peers of its own host.
    pub host_id: HostId,
    /// Underlay address of that host's VXLAN end.
    pub vtep: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Its name, for DNS.
    pub hostname: Hostname,
    /// Further addresses it may use, which other ports may share with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_address_pairs: Vec<AddressPair>,
}

impl Kind for PeerSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::Peer(self.network_id, self.port_id)
    }

    fn part_of(&self) -> Option<Need> {
        Some(Need::Network(self.network_id))
    }
}
