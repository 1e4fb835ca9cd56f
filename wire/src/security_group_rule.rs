//! Rules of security groups.

use crate::fault::Faults;
use crate::{LabelMap, description, labels, range};
use ipnetwork::IpNetwork;
use iroko_model::security_group::{IcmpType, PortRange, Protocol, Remote, Rule, RuleParts};
use iroko_model::{Invalid, Labels};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A protocol by name (`tcp`, `udp`, `icmp`, `icmpv6`, `sctp`) or by number.
///
/// This is the shape in the OpenAPI document. What comes is read as any value, and refused in words of our own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(example = json!("tcp"), description = "A protocol by name (`tcp`, `udp`, `icmp`, `icmpv6`, `sctp`) or by number.")]
pub enum ProtocolName {
    /// Its number in the IP header.
    Number(u8),
    /// Its name, or its number as text.
    Name(String),
}

/// By name, by number, or by number as text.
fn protocol(wire: &Value) -> Result<Protocol, Invalid> {
    match wire {
        Value::String(text) => text.parse(),
        Value::Number(number) => number.to_string().parse(),
        _ => Err(Invalid::new("value_type", "give the name or the number of a protocol")),
    }
}

/// A whole number that fits. `what` it is, with the most that it can be.
fn number<T: TryFrom<u64>>(wire: Option<Number>, rule: &'static str, what: &str) -> Result<Option<T>, Invalid> {
    let Some(wire) = wire else { return Ok(None) };
    let number = wire.as_u64().and_then(|number| T::try_from(number).ok());
    number.map(Some).ok_or_else(|| Invalid::new(rule, format!("{wire} is no {what}")))
}

fn port(wire: Option<Number>) -> Result<Option<u16>, Invalid> {
    number(wire, "port_form", "port: write a number from 0 to 65535")
}

fn octet(wire: Option<Number>) -> Result<Option<u8>, Invalid> {
    number(wire, "icmp_form", "ICMP type or code: write a number from 0 to 255, or leave it out for all")
}

/// Asks for a rule. It allows what fits all that it says; what no rule allows is dropped.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"direction": "ingress", "ethertype": "ipv4", "protocol": "tcp", "port_first": 80, "port_last": 80,
    "remote_cidr": "0.0.0.0/0", "description": "HTTP"}))]
pub struct SecurityGroupRuleCreate {
    /// `ingress`: what the instance gets; `egress`: what it sends.
    #[schema(pattern = "^(ingress|egress)$")]
    pub direction: String,
    /// `ipv4` or `ipv6`.
    #[schema(pattern = "^(ipv4|ipv6)$")]
    pub ethertype: String,
    /// The protocol; any unless given.
    #[serde(default)]
    #[schema(value_type = Option<ProtocolName>)]
    pub protocol: Option<Value>,
    /// First destination port, of tcp, udp and sctp; any unless given.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    pub port_first: Option<Number>,
    /// Last destination port; the first unless given.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    pub port_last: Option<Number>,
    /// ICMP type, of icmp and icmpv6; any unless given.
    #[serde(default)]
    #[schema(value_type = Option<u8>)]
    pub icmp_type: Option<Number>,
    /// ICMP code; any unless given.
    #[serde(default)]
    #[schema(value_type = Option<u8>)]
    pub icmp_code: Option<Number>,
    /// The other end: an address of this range. At most one of the three.
    #[serde(default)]
    pub remote_cidr: Option<String>,
    /// The other end: a port of this security group, on the same network.
    #[serde(default)]
    pub remote_group_id: Option<Uuid>,
    /// The other end: an address of this set.
    #[serde(default)]
    pub remote_address_set_id: Option<Uuid>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// Labels.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedRule {
    /// What it says.
    pub rule: Rule,
    /// What it is for.
    pub description: String,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<SecurityGroupRuleCreate> for CheckedRule {
    type Error = Faults;

    fn try_from(wire: SecurityGroupRuleCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let direction = faults.take("/direction", wire.direction.parse());
        let ethertype = faults.take("/ethertype", wire.ethertype.parse());
        let protocol = faults.take("/protocol", wire.protocol.as_ref().map(protocol).transpose());
        let (first, last) =
            (faults.take("/port_first", port(wire.port_first)), faults.take("/port_last", port(wire.port_last)));
        let ports = first.zip(last).and_then(|(first, last)| faults.take("/port_first", ports(first, last)));
        let (kind, code) =
            (faults.take("/icmp_type", octet(wire.icmp_type)), faults.take("/icmp_code", octet(wire.icmp_code)));
        let icmp = kind.zip(code).and_then(|(kind, code)| faults.take("/icmp_type", icmp(kind, code)));
        let remote = remote(wire.remote_cidr, wire.remote_group_id, wire.remote_address_set_id, &mut faults);
        let description = faults.take("/description", description(wire.description.unwrap_or_default()));
        let labels = faults.take("/labels", labels(wire.labels));
        let parts = (direction.zip(ethertype)).zip(protocol.zip(ports)).zip(icmp.zip(remote));
        let rule = parts.and_then(|(((direction, ethertype), (protocol, ports)), (icmp, remote))| {
            let rule = Rule::try_from(RuleParts { direction, ethertype, protocol, ports, icmp, remote });
            let pointer = rule.as_ref().err().map_or("", pointer_of);
            faults.take(pointer, rule)
        });
        let checked = rule.zip(description).zip(labels);
        faults.finish_with(checked.map(|((rule, description), labels)| Self { rule, description, labels }))
    }
}

fn ports(first: Option<u16>, last: Option<u16>) -> Result<Option<PortRange>, Invalid> {
    match (first, last) {
        (None, None) => Ok(None),
        (Some(from), last) => Ok(Some(PortRange { from, to: last.unwrap_or(from) })),
        (None, Some(_)) => Err(Invalid::new("port_first_missing", "a range of ports has a first one, too")),
    }
}

fn icmp(kind: Option<u8>, code: Option<u8>) -> Result<Option<IcmpType>, Invalid> {
    match (kind, code) {
        (None, None) => Ok(None),
        (Some(kind), code) => Ok(Some(IcmpType { kind, code })),
        (None, Some(_)) => Err(Invalid::new("icmp_type_missing", "an ICMP code belongs to a type: name it, too")),
    }
}

fn remote(cidr: Option<String>, group: Option<Uuid>, set: Option<Uuid>, faults: &mut Faults) -> Option<Remote> {
    match (cidr, group, set) {
        (None, None, None) => Some(Remote::Any),
        (Some(text), None, None) => faults.take("/remote_cidr", remote_range(&text)).map(Remote::Cidr),
        (None, Some(id), None) => Some(Remote::Group(id.into())),
        (None, None, Some(id)) => Some(Remote::AddressSet(id.into())),
        _ => {
            let text =
                "give one of remote_cidr, remote_group_id and remote_address_set_id; make another rule for the other";
            faults.note("", Invalid::new("remote_several", text));
            None
        }
    }
}

/// One address is a range, too, but must be written as one: what is shown is what was asked for.
fn remote_range(text: &str) -> Result<IpNetwork, Invalid> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let one = IpNetwork::from(address);
        return Err(Invalid::new("cidr_form", format!("{text} is an address and no range: write {one}")));
    }
    range(text)
}

/// Which field a rule's fault is about.
fn pointer_of(fault: &Invalid) -> &'static str {
    match fault.rule {
        "icmp_family" => "/protocol",
        "ports_without_protocol" | "ports_reversed" => "/port_first",
        "icmp_without_protocol" => "/icmp_type",
        "cidr_host_bits" | "cidr_family" => "/remote_cidr",
        _ => "",
    }
}

/// A rule of a security group.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000021", "security_group_id": "0198c0de-0000-7000-8000-000000000020",
    "direction": "ingress", "ethertype": "ipv4", "protocol": "tcp", "port_first": 80, "port_last": 80, "remote_cidr": "0.0.0.0/0",
    "description": "HTTP", "labels": {}, "created_at": "2026-11-25T08:00:00Z"}))]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: Uuid,
    /// Its group.
    pub security_group_id: Uuid,
    /// `ingress` or `egress`.
    #[schema(pattern = "^(ingress|egress)$")]
    pub direction: String,
    /// `ipv4` or `ipv6`.
    #[schema(pattern = "^(ipv4|ipv6)$")]
    pub ethertype: String,
    /// The protocol, by name where it has one here, else by number; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// First destination port; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_first: Option<u16>,
    /// Last destination port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_last: Option<u16>,
    /// ICMP type; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// ICMP code; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// The other end: an address of this range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_cidr: Option<String>,
    /// The other end: a port of this group, on the same network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_group_id: Option<Uuid>,
    /// The other end: an address of this set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_address_set_id: Option<Uuid>,
    /// What it is for.
    pub description: String,
    /// Labels.
    #[schema(value_type = iroko_model::Labels)]
    pub labels: LabelMap,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
