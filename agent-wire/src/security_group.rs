//! Security groups as a host needs them: rules, members of groups that rules refer to, address sets.

use ipnetwork::IpNetwork;
use iroko_model::security_group::Rule;
use iroko_model::{AddressSetId, MacAddress, NetworkId, PortId, SecurityGroupId, SecurityGroupRuleId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A security group, for hosts with a port in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupSpec {
    /// The group.
    pub id: SecurityGroupId,
    /// Grows with every change.
    pub generation: u64,
    /// True: what answers to something allowed is allowed. False: each packet needs a rule.
    pub is_stateful: bool,
    /// Its rules; the order does not matter.
    pub rules: Vec<RuleSpec>,
}

/// A rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// The rule.
    pub id: SecurityGroupRuleId,
    /// What it says.
    pub rule: Rule,
}

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

/// An address set, for hosts with a port in a group with a rule that refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSetSpec {
    /// The set.
    pub id: AddressSetId,
    /// Grows with every change.
    pub generation: u64,
    /// Its ranges, of both families; they may overlap.
    pub cidrs: Vec<IpNetwork>,
}
