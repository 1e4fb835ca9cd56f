//! Members of security groups.

use crate::key::ObjectKey;
use crate::kind::Kind;
use crate::need::Need;
use iroko_model::{MacAddress, NetworkId, PortId, SecurityGroupId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A port as a member of a group, for hosts with a port in a group with a rule whose remote is the
/// member's group. Where the host does not have the member's network, it does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSpec {
    /// The group.
    pub group_id: SecurityGroupId,
    /// The port, on whatever host.
    pub port_id: PortId,
    /// Its network.
    pub network_id: NetworkId,
    /// Its Ethernet address, from which its link-local address follows.
    pub mac: MacAddress,
    /// Its own IP addresses; not those of its allowed address pairs.
    pub addresses: Vec<IpAddr>,
}

impl Kind for MemberSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::Member(self.group_id, self.port_id)
    }

    fn part_of(&self) -> Option<Need> {
        Some(Need::Members(self.group_id, self.network_id))
    }
}
