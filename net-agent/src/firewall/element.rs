//! Elements: which set each is in, how it is written, and how it is read back.

use crate::object::{Element, Value, vni_of};
use ipnetwork::IpNetwork;
use iroko_model::security_group::Direction;
use iroko_model::{AddressSetId, SecurityGroupId, Vni};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A set or map of the tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Set {
    /// Family of its table, `bridge` or `inet`.
    pub family: &'static str,
    /// Its name.
    pub name: Cow<'static, str>,
}

const fn set(family: &'static str, name: &'static str) -> Set {
    Set { family, name: Cow::Borrowed(name) }
}

/// Where an element belongs, its key, and what is written behind the key: in a map its value, in a set
/// that counts what it counts.
pub fn of_element(element: &Element, value: Option<&Value>) -> (Set, String, Option<String>) {
    let by_family = |four: bool, a, b| set("bridge", if four { a } else { b });
    let bridge = |name| set("inet", name);
    match element {
        Element::TapMac(tap, mac) => (set("bridge", "tap_mac"), format!("\"{tap}\" . {mac}"), None),
        Element::TapIp(tap, ip) => (by_family(ip.is_ipv4(), "tap_ip4", "tap_ip6"), format!("\"{tap}\" . {ip}"), None),
        Element::TapNd(tap, ip) => (set("bridge", "tap_nd"), format!("\"{tap}\" . {:#x}", u128::from(*ip)), None),
        Element::TapRange(tap, range) => {
            (by_family(range.is_ipv4(), "tap_range4", "tap_range6"), format!("\"{tap}\" . {range}"), None)
        }
        Element::TapNdRange(tap, first, last) => {
            (set("bridge", "tap_nd_range"), format!("\"{tap}\" . {}", nd_range(*first, *last)), None)
        }
        Element::TapShares(tap) => (set("bridge", "tap_shares"), format!("\"{tap}\""), None),
        Element::TapStateless(tap) => (set("bridge", "tap_stateless"), format!("\"{tap}\""), None),
        Element::ServiceMac(vni) => (set("bridge", "service_macs"), format!("\"{}\"", vni.vxlan()), mac(value)),
        Element::Number(vni) => (set("bridge", "numbers"), format!("\"{}\"", vni.vxlan()), zone(value)),
        Element::Shared(vni, range) => {
            (by_family(range.is_ipv4(), "shared4", "shared6"), format!("\"{}\" . {range}", vni.vxlan()), None)
        }
        Element::SharedNd(vni, first, last) => {
            (set("bridge", "shared_nd"), format!("\"{}\" . {}", vni.vxlan(), nd_range(*first, *last)), None)
        }
        Element::Tap(tap, direction) => {
            let name = if *direction == Direction::Egress { "taps_from" } else { "taps_to" };
            (set("bridge", name), format!("\"{tap}\""), verdict(value))
        }
        Element::LogRefused(tap) => (set("bridge", "log_refused"), format!("\"{tap}\""), verdict(value)),
        Element::Zone(vni) => (bridge("zones"), format!("\"{}\"", vni.bridge()), zone(value)),
        Element::Sender(vni, mac) => (bridge("senders"), bridge_and(*vni, mac), verdict(value)),
        Element::Receiver(vni, mac) => (bridge("receivers"), bridge_and(*vni, mac), verdict(value)),
        Element::Flows(vni, Some(mac), direction) => {
            let name = if *direction == Direction::Egress { "begins" } else { "gets" };
            (bridge(name), bridge_and(*vni, mac), flows(value))
        }
        Element::Flows(vni, None, direction) => {
            let name = if *direction == Direction::Egress { "open_begins" } else { "open_gets" };
            (bridge(name), format!("\"{}\"", vni.bridge()), flows(value))
        }
        Element::ServiceFlows(vni, direction) => {
            let name = if *direction == Direction::Egress { "service_begins" } else { "service_gets" };
            (bridge(name), format!("\"{}\"", vni.bridge()), flows(value))
        }
        Element::Member(vni, ip) => {
            (bridge(if ip.is_ipv4() { "members4" } else { "members6" }), bridge_and(*vni, ip), None)
        }
        Element::GroupMember(group, vni, ip) => {
            let [four, six] = member_sets(*group);
            let name = Cow::Owned(if ip.is_ipv4() { four } else { six });
            (Set { family: "inet", name }, bridge_and(*vni, ip), None)
        }
    }
}

/// As many may begin at once as may be there. nft 1.0.6 lists the first of the two alone, so that the burst
/// also tells which number was written in the second.
fn flows(value: Option<&Value>) -> Option<String> {
    let Some(Value::Flows { most, per_second }) = value else { return None };
    Some(format!(" limit rate {per_second}/second burst {most} packets ct count {most}"))
}

/// Targets of neighbour discovery as a raw number, for that is how they are matched.
fn nd_range(first: Ipv6Addr, last: Ipv6Addr) -> String {
    let (first, last) = (u128::from(first), u128::from(last));
    if first == last { format!("{first:#x}") } else { format!("{first:#x}-{last:#x}") }
}

fn bridge_and(vni: Vni, address: &impl fmt::Display) -> String {
    format!("\"{}\" . {address}", vni.bridge())
}

fn mac(value: Option<&Value>) -> Option<String> {
    if let Some(Value::Mac(mac)) = value { Some(format!(" : {mac}")) } else { None }
}

fn zone(value: Option<&Value>) -> Option<String> {
    if let Some(Value::Zone(zone)) = value { Some(format!(" : {zone}")) } else { None }
}

fn verdict(value: Option<&Value>) -> Option<String> {
    if let Some(Value::Verdict(verdict)) = value { Some(format!(" : {verdict}")) } else { None }
}

/// Names of a group's sets of members, IPv4 and IPv6.
pub fn member_sets(group: SecurityGroupId) -> [String; 2] {
    [4, 6].map(|family| format!("g{family}_{}", group.as_uuid().simple()))
}

/// Names of an address set's sets, IPv4 and IPv6.
pub fn address_sets(set: AddressSetId) -> [String; 2] {
    [4, 6].map(|family| format!("a{family}_{}", set.as_uuid().simple()))
}

/// The UUID in the name of a set that comes and goes, `g4_...` or `a6_...`.
pub fn id_in<T: FromStr>(name: &str, kind: char) -> Option<T> {
    let rest = name.strip_prefix(kind)?.strip_prefix(['4', '6'])?.strip_prefix('_')?;
    (rest.len() == 32).then(|| rest.parse().ok())?
}

/// Reads an element as nft lists it in JSON; none where it is not one of ours.
pub fn to_element(set: &str, item: &Json) -> Option<(Element, Value)> {
    if let Some(counting) = item.get("elem") {
        return of_flows(set, counting);
    }
    let (key, value) = match item {
        Json::Array(pair) => (pair.first()?, pair.get(1)),
        other => (other, None),
    };
    if let Some(name) = key.as_str() {
        return of_name(set, name, value);
    }
    let parts = key.get("concat")?.as_array()?;
    let (device, address) = (parts.first()?.as_str()?, parts.get(1)?);
    let tap = || device.to_owned();
    let bridge = || vni_of(device, "ikbr");
    let ip = || address.as_str()?.parse::<IpAddr>().ok();
    let mac = || address.as_str()?.parse().ok();
    let element = match set {
        "tap_mac" => Element::TapMac(tap(), mac()?),
        "tap_ip4" | "tap_ip6" => Element::TapIp(tap(), ip()?),
        "tap_nd" => Element::TapNd(tap(), number(address)?),
        "tap_range4" | "tap_range6" => Element::TapRange(tap(), prefix(address)?),
        "tap_nd_range" => {
            let (first, last) = ends(address, number)?;
            Element::TapNdRange(tap(), first, last)
        }
        "shared4" | "shared6" => Element::Shared(vni_of(device, "ikvx")?, prefix(address)?),
        "shared_nd" => {
            let (first, last) = ends(address, number)?;
            Element::SharedNd(vni_of(device, "ikvx")?, first, last)
        }
        "senders" => return Some((Element::Sender(bridge()?, mac()?), to_verdict(value?))),
        "receivers" => return Some((Element::Receiver(bridge()?, mac()?), to_verdict(value?))),
        "members4" | "members6" => Element::Member(bridge()?, ip()?),
        _ => Element::GroupMember(id_in(set, 'g')?, bridge()?, ip()?),
    };
    Some((element, Value::Present))
}

/// An element that counts: its key, and the limit that it has.
fn of_flows(set: &str, counting: &Json) -> Option<(Element, Value)> {
    let (direction, is_open) = match set {
        "begins" => (Direction::Egress, false),
        "gets" => (Direction::Ingress, false),
        "open_begins" => (Direction::Egress, true),
        "open_gets" => (Direction::Ingress, true),
        "service_begins" => (Direction::Egress, true),
        "service_gets" => (Direction::Ingress, true),
        _ => return None,
    };
    let (key, limit) = (counting.get("val")?, counting.get("limit"));
    let number = |name: &str| u32::try_from(limit?.get(name)?.as_u64()?).ok();
    let of_key = |index: usize| key.get("concat")?.get(index)?.as_str();
    let (bridge, mac) = if is_open { (key.as_str()?, None) } else { (of_key(0)?, Some(of_key(1)?.parse().ok()?)) };
    let value = match (number("burst"), number("rate")) {
        (Some(most), Some(per_second)) => Value::Flows { most, per_second },
        _ => Value::unusable("counts something else"),
    };
    let vni = vni_of(bridge, "ikbr")?;
    let element = if set.starts_with("service") {
        Element::ServiceFlows(vni, direction)
    } else {
        Element::Flows(vni, mac, direction)
    };
    Some((element, value))
}

fn of_name(set: &str, name: &str, value: Option<&Json>) -> Option<(Element, Value)> {
    let tap = name.to_owned();
    let element = match set {
        "zones" | "numbers" => {
            let zone = Value::Zone(u16::try_from(value?.as_u64()?).ok()?);
            let element = if set == "zones" {
                Element::Zone(vni_of(name, "ikbr")?)
            } else {
                Element::Number(vni_of(name, "ikvx")?)
            };
            return Some((element, zone));
        }
        "service_macs" => {
            let mac = Value::Mac(value?.as_str()?.parse().ok()?);
            return Some((Element::ServiceMac(vni_of(name, "ikvx")?), mac));
        }
        "taps_from" => return Some((Element::Tap(tap, Direction::Egress), to_verdict(value?))),
        "taps_to" => return Some((Element::Tap(tap, Direction::Ingress), to_verdict(value?))),
        "log_refused" => return Some((Element::LogRefused(tap), to_verdict(value?))),
        "tap_shares" => Element::TapShares(tap),
        "tap_stateless" => Element::TapStateless(tap),
        _ => return None,
    };
    Some((element, Value::Present))
}

/// `{"goto": {"target": "members"}}` is `goto members`, `{"accept": null}` is `accept`.
fn to_verdict(json: &Json) -> Value {
    let words = json.as_object().and_then(|object| object.iter().next()).map(|(verb, body)| {
        let target = body.get("target").and_then(Json::as_str);
        target.map_or_else(|| verb.clone(), |target| format!("{verb} {target}"))
    });
    Value::Verdict(words.unwrap_or_else(|| json.to_string()))
}

fn prefix(json: &Json) -> Option<IpNetwork> {
    if let Some(one) = json.as_str() {
        return one.parse::<IpAddr>().ok().map(IpNetwork::from);
    }
    let prefix = json.get("prefix")?;
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    IpNetwork::new(prefix.get("addr")?.as_str()?.parse().ok()?, length).ok()
}

fn ends<T: Copy>(json: &Json, read: impl Fn(&Json) -> Option<T>) -> Option<(T, T)> {
    match json.get("range").and_then(Json::as_array) {
        Some(range) => Some((read(range.first()?)?, read(range.get(1)?)?)),
        None => read(json).map(|one| (one, one)),
    }
}

/// Reads an element of an address set: first and last address.
pub fn to_range(json: &Json) -> Option<(IpAddr, IpAddr)> {
    if json.get("prefix").is_some() {
        let range = prefix(json)?;
        return Some((range.network(), range.broadcast()));
    }
    ends(json, |end| end.as_str()?.parse().ok())
}

/// nft lists a raw number as text in hexadecimal where it has more than 64 bits.
fn number(json: &Json) -> Option<Ipv6Addr> {
    match json {
        Json::Number(small) => Some(Ipv6Addr::from(u128::from(small.as_u64()?))),
        Json::String(text) => u128::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Ipv6Addr::from),
        _ => None,
    }
}
