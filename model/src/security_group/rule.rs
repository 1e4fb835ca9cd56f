//! A rule of a security group. It exists only where it makes sense.

use super::{Ethertype, IcmpType, PortRange, Protocol};
use crate::{AddressSetId, Invalid, SecurityGroupId};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Which packets a rule is about, as seen from the instance behind the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Those it gets.
    Ingress,
    /// Those it sends.
    Egress,
}

impl Direction {
    /// The word in the database and on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl FromStr for Direction {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "ingress" => Ok(Self::Ingress),
            "egress" => Ok(Self::Egress),
            _ => Err(Invalid::new("direction_unknown", "a direction is \"ingress\" or \"egress\"")),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remote {
    /// Anyone.
    Any,
    /// An address of this range.
    Cidr(IpNetwork),
    /// A port of this group, on the same network.
    Group(SecurityGroupId),
    /// An address of this set.
    AddressSet(AddressSetId),
}

/// What a rule says, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleParts {
    /// Which packets.
    pub direction: Direction,
    /// IPv4 or IPv6; a rule is about one of them.
    pub ethertype: Ethertype,
    /// The protocol; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Destination ports; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortRange>,
    /// The ICMP message; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpType>,
    /// The other end.
    pub remote: Remote,
}

/// A rule that makes sense: made by `TryFrom<RuleParts>`, read by `AsRef`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "RuleParts", into = "RuleParts")]
pub struct Rule(RuleParts);

impl TryFrom<RuleParts> for Rule {
    type Error = Invalid;

    fn try_from(parts: RuleParts) -> Result<Self, Invalid> {
        check_family(&parts)?;
        check_ports(&parts)?;
        check_icmp(&parts)?;
        check_range(&parts)?;
        Ok(Self(parts))
    }
}

impl Rule {
    /// True where both let the same packets through, in whatever words: all ports are no ports, and the range of
    /// all addresses is anybody.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.plainly() == other.plainly()
    }

    fn plainly(&self) -> RuleParts {
        let mut parts = self.0.clone();
        parts.ports = parts.ports.filter(|ports| *ports != PortRange::ALL);
        if matches!(parts.remote, Remote::Cidr(range) if range.prefix() == 0) {
            parts.remote = Remote::Any;
        }
        parts
    }
}

impl From<Rule> for RuleParts {
    fn from(rule: Rule) -> Self {
        rule.0
    }
}

impl AsRef<RuleParts> for Rule {
    fn as_ref(&self) -> &RuleParts {
        &self.0
    }
}

fn check_family(parts: &RuleParts) -> Result<(), Invalid> {
    match (parts.protocol, parts.ethertype) {
        (Some(Protocol::ICMP), Ethertype::Ipv6) => {
            Err(Invalid::new("icmp_family", "icmp belongs to ipv4: take icmpv6, or the ethertype ipv4"))
        }
        (Some(Protocol::ICMPV6), Ethertype::Ipv4) => {
            Err(Invalid::new("icmp_family", "icmpv6 belongs to ipv6: take icmp, or the ethertype ipv6"))
        }
        _ => Ok(()),
    }
}

fn check_ports(parts: &RuleParts) -> Result<(), Invalid> {
    let Some(PortRange { from, to }) = parts.ports else { return Ok(()) };
    if !parts.protocol.is_some_and(|protocol| protocol.has_ports()) {
        let message = "only tcp, udp and sctp have ports: name one of them, or leave the ports out";
        return Err(Invalid::new("ports_without_protocol", message));
    }
    if from > to {
        let message = format!("the range of ports {from} to {to} is empty: the first is at most the last");
        return Err(Invalid::new("ports_reversed", message));
    }
    Ok(())
}

fn check_icmp(parts: &RuleParts) -> Result<(), Invalid> {
    if parts.icmp.is_none() || parts.protocol.is_some_and(|protocol| protocol.is_icmp()) {
        return Ok(());
    }
    let message = "only icmp and icmpv6 have types and codes: name one of them, or leave type and code out";
    Err(Invalid::new("icmp_without_protocol", message))
}

fn check_range(parts: &RuleParts) -> Result<(), Invalid> {
    let Remote::Cidr(range) = parts.remote else { return Ok(()) };
    if range.ip() != range.network() {
        let (network, prefix) = (range.network(), range.prefix());
        let message = format!("{range} has host bits set; did you mean {network}/{prefix}?");
        return Err(Invalid::new("cidr_host_bits", message));
    }
    if Ethertype::of_range(range) != parts.ethertype {
        let message = format!("{range} is not of {}: change the range or the ethertype", parts.ethertype);
        return Err(Invalid::new("cidr_family", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(ethertype: Ethertype, protocol: Option<Protocol>) -> RuleParts {
        let (direction, remote) = (Direction::Ingress, Remote::Any);
        RuleParts { direction, ethertype, protocol, ports: None, icmp: None, remote }
    }

    fn refusal(parts: RuleParts) -> Option<&'static str> {
        Rule::try_from(parts).err().map(|error| error.rule)
    }

    #[test]
    fn only_rules_that_make_sense_exist() {
        use Ethertype::{Ipv4, Ipv6};
        let tcp = parts(Ipv4, Some(Protocol::TCP));
        let ports = |from, to| Some(PortRange { from, to });
        let icmp = Some(IcmpType { kind: 8, code: Some(0) });
        let cidr = |text: &str| Remote::Cidr(text.parse().unwrap());
        for (parts, expected) in [
            (parts(Ipv6, None), None),
            (RuleParts { ports: ports(0, 65535), ..tcp.clone() }, None),
            (RuleParts { ports: ports(81, 80), ..tcp.clone() }, Some("ports_reversed")),
            (RuleParts { ports: ports(80, 80), ..parts(Ipv4, None) }, Some("ports_without_protocol")),
            (RuleParts { ports: ports(80, 80), ..parts(Ipv4, Some(Protocol::ICMP)) }, Some("ports_without_protocol")),
            (RuleParts { icmp, ..parts(Ipv4, Some(Protocol::ICMP)) }, None),
            (RuleParts { icmp, ..tcp.clone() }, Some("icmp_without_protocol")),
            (RuleParts { icmp, ..parts(Ipv4, None) }, Some("icmp_without_protocol")),
            (parts(Ipv6, Some(Protocol::ICMP)), Some("icmp_family")),
            (parts(Ipv4, Some(Protocol::ICMPV6)), Some("icmp_family")),
            (RuleParts { remote: cidr("10.0.0.0/8"), ..tcp.clone() }, None),
            (RuleParts { remote: cidr("fd00::/8"), ..tcp.clone() }, Some("cidr_family")),
            (RuleParts { remote: cidr("10.0.0.1/8"), ..tcp.clone() }, Some("cidr_host_bits")),
        ] {
            assert_eq!(refusal(parts.clone()), expected, "{parts:?}");
        }
    }

    #[test]
    fn rules_in_other_words_say_the_same() {
        use Ethertype::{Ipv4, Ipv6};
        let rule = |parts| Rule::try_from(parts).unwrap();
        let of = |family| parts(family, Some(Protocol::TCP));
        let ports = |from, to| Some(PortRange { from, to });
        let cidr = |text: &str| Remote::Cidr(text.parse().unwrap());
        for (one, other, same) in [
            (of(Ipv4), RuleParts { ports: ports(0, 65535), ..of(Ipv4) }, true),
            (of(Ipv4), RuleParts { ports: ports(1, 65535), ..of(Ipv4) }, false),
            (of(Ipv4), RuleParts { remote: cidr("0.0.0.0/0"), ..of(Ipv4) }, true),
            (of(Ipv6), RuleParts { remote: cidr("::/0"), ports: ports(0, 65535), ..of(Ipv6) }, true),
            (of(Ipv4), RuleParts { remote: cidr("0.0.0.0/1"), ..of(Ipv4) }, false),
            (of(Ipv4), of(Ipv6), false),
            (of(Ipv4), parts(Ipv4, Some("6".parse().unwrap())), true),
            (of(Ipv4), parts(Ipv4, None), false),
            (of(Ipv4), RuleParts { direction: Direction::Egress, ..of(Ipv4) }, false),
        ] {
            assert_eq!(rule(one.clone()).says_the_same(&rule(other.clone())), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_wire_refuses_what_makes_no_sense() {
        let text = r#"{"direction":"egress","ethertype":"ipv6","protocol":"tcp","ports":{"from":22,"to":22},
            "remote":{"cidr":"fd00::/8"}}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&again).unwrap(), rule, "{again}");
        assert!(serde_json::from_str::<Rule>(&text.replace("tcp", "47")).is_err());
        let any = r#"{"direction":"egress","ethertype":"ipv6","remote":"any"}"#;
        assert_eq!(serde_json::from_str::<Rule>(any).unwrap().as_ref().remote, Remote::Any);
    }
}
