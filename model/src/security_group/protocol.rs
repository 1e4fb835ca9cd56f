//! What of a packet's headers a rule can name.

use crate::Invalid;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::{fmt, str::FromStr};

/// The version of the internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ethertype {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Ethertype {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The version of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// The version of a range's addresses.
    pub const fn of_range(range: IpNetwork) -> Self {
        match range {
            IpNetwork::V4(_) => Self::Ipv4,
            IpNetwork::V6(_) => Self::Ipv6,
        }
    }
}

impl FromStr for Ethertype {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "ipv4" => Ok(Self::Ipv4),
            "ipv6" => Ok(Self::Ipv6),
            _ => Err(Invalid::new("ethertype_unknown", "an ethertype is \"ipv4\" or \"ipv6\"")),
        }
    }
}

impl fmt::Display for Ethertype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol above IP by its number (IANA "Protocol Numbers"). As text, `tcp`, `udp`, `icmp`,
/// `icmpv6` and `sctp` have their names, all others are written as the number: `47`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Protocol(u8);

const NAMED: [(Protocol, &str); 5] = [
    (Protocol::TCP, "tcp"),
    (Protocol::UDP, "udp"),
    (Protocol::ICMP, "icmp"),
    (Protocol::ICMPV6, "icmpv6"),
    (Protocol::SCTP, "sctp"),
];

impl Protocol {
    /// ICMP for IPv4 (RFC 792).
    pub const ICMP: Self = Self(1);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);
    /// SCTP (RFC 9260).
    pub const SCTP: Self = Self(132);

    /// The protocol of this number.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number in the IP header.
    pub const fn number(&self) -> u8 {
        self.0
    }

    /// True where rules for it may name ports.
    pub const fn has_ports(&self) -> bool {
        matches!(*self, Self::TCP | Self::UDP | Self::SCTP)
    }

    /// True where rules for it may name an ICMP type.
    pub const fn is_icmp(&self) -> bool {
        matches!(*self, Self::ICMP | Self::ICMPV6)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(named, _)| named == self) {
            Some((_, name)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

impl FromStr for Protocol {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some((named, _)) = NAMED.iter().find(|(_, name)| *name == text) {
            return Ok(*named);
        }
        let why = || {
            format!(
                "{text:?} is no protocol: write tcp, udp, icmp, icmpv6, sctp or a number from 0 to 255, or leave it out for all"
            )
        };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or_else(|| Invalid::new("protocol_unknown", why()))
    }
}

impl TryFrom<String> for Protocol {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> String {
        protocol.to_string()
    }
}

/// Destination ports, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRange {
    /// The first.
    pub from: u16,
    /// The last; not below the first.
    pub to: u16,
}

impl PortRange {
    /// All ports there are.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// True for a port of the range.
    pub const fn contains(&self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }
}

/// An ICMP message's type and, where it matters, its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IcmpType {
    /// The type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// The code; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_one_text_each() {
        for number in 0..=255 {
            let protocol = Protocol::new(number);
            assert_eq!(protocol.to_string().parse::<Protocol>().unwrap(), protocol);
            assert_eq!(number.to_string().parse::<Protocol>().unwrap(), protocol, "by number too");
        }
        assert_eq!((Protocol::TCP.to_string(), Protocol::new(47).to_string()), ("tcp".into(), "47".into()));
        for bad in ["", "TCP", "256", "-1", "+6", "any", " 6"] {
            assert_eq!(bad.parse::<Protocol>().unwrap_err().rule, "protocol_unknown", "{bad:?}");
        }
    }
}
