//! Ports: what one may send beside its own addresses, how much, and what the net-agent saw of it.

use crate::{Invalid, MacAddress};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// Further addresses that a port may send from and is sent to, for machines that share one
/// (keepalived and the like).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddressPair {
    /// The Ethernet address it uses with them; none: the port's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// The addresses.
    pub cidr: IpNetwork,
}

/// Widest ranges of a pair, as prefix lengths. One of everything would switch the check of addresses off, and
/// have all ARP and neighbour discovery of the network cross hosts.
const WIDEST_V4: u8 = 16;
const WIDEST_V6: u8 = 48;

impl AddressPair {
    /// Refuses what no instance can send from, and ranges that are too wide.
    pub fn new(mac: Option<MacAddress>, cidr: IpNetwork) -> Result<Self, Invalid> {
        if mac.is_some_and(|mac| mac.octets()[0] & 1 == 1 || mac.octets() == [0; 6]) {
            let message = "a machine has a unicast MAC address: the first octet is even, and not all are zero";
            return Err(Invalid::new("mac_not_unicast", message));
        }
        if cidr.ip() != cidr.network() {
            let (network, prefix) = (cidr.network(), cidr.prefix());
            let message = format!("{cidr} has host bits set; did you mean {network}/{prefix}?");
            return Err(Invalid::new("cidr_host_bits", message));
        }
        let widest = if cidr.is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
        if cidr.prefix() < widest {
            let message = format!("{cidr} is wider than /{widest}; to send from anywhere, switch port security off");
            return Err(Invalid::new("address_pair_too_wide", message));
        }
        Ok(Self { mac, cidr })
    }
}

/// How much a port may carry; none: as much as the host can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct PortLimits {
    /// Towards the instance, in kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_kbit_s: Option<u32>,
    /// From the instance, in kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_kbit_s: Option<u32>,
    /// Towards the instance, in packets a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_packets_s: Option<u32>,
    /// From the instance, in packets a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_packets_s: Option<u32>,
}

impl PortLimits {
    /// Largest limit, in kbit/s (100 Gbit/s) or packets/s: hosts can hold a port to no more.
    pub const MOST: u32 = 100_000_000;

    /// True where nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a net-agent last saw of a port on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// Filter rules, forwarding and tap are in place; a guest may use it.
    Ready,
    /// The last attempt failed; the reason goes with it and the agent keeps trying.
    Failed,
}

impl PortState {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// The one visible status of a port, from where it is bound and what was seen of it.
pub fn status(bound: bool, observed: Option<PortState>) -> &'static str {
    match (bound, observed) {
        (false, _) => "pending",
        (true, None) => "building",
        (true, Some(PortState::Ready)) => "active",
        (true, Some(PortState::Failed)) => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_no_machine_can_use_are_refused() {
        let refusal = |mac: Option<&str>, cidr: &str| {
            let mac = mac.map(|mac| mac.parse().unwrap());
            AddressPair::new(mac, cidr.parse().unwrap()).err().map(|error| error.rule)
        };
        assert_eq!(refusal(None, "10.0.0.9/32"), None);
        assert_eq!(refusal(Some("00:00:5e:00:01:01"), "fd00::/64"), None, "VRRP's own (RFC 5798)");
        assert_eq!(refusal(Some("01:00:5e:00:00:12"), "10.0.0.9/32"), Some("mac_not_unicast"));
        assert_eq!(refusal(None, "10.0.0.9/24"), Some("cidr_host_bits"));
        assert_eq!((refusal(None, "10.0.0.0/16"), refusal(None, "fd00::/48")), (None, None));
        assert_eq!(refusal(None, "10.0.0.0/15"), Some("address_pair_too_wide"));
        assert_eq!(refusal(None, "::/0"), Some("address_pair_too_wide"));
    }
}
