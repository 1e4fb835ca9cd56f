//! Elements: which set each is in, how it is written, and how it is read back.

use crate::object::{Element, Value, vni_of};
use iroko_model::Vni;
use serde_json::Value as Json;
use std::net::{IpAddr, Ipv6Addr};

/// A set or map of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Set {
    /// Family of its table, `bridge` or `inet`.
    pub family: &'static str,
    /// Its name.
    pub name: &'static str,
}

const fn set(family: &'static str, name: &'static str) -> Set {
    Set { family, name }
}

const TAP_MAC: Set = set("bridge", "tap_mac");
const TAP_IP4: Set = set("bridge", "tap_ip4");
const TAP_IP6: Set = set("bridge", "tap_ip6");
const TAP_ND: Set = set("bridge", "tap_nd");
const ZONES: Set = set("inet", "zones");
const PORTS4: Set = set("inet", "ports4");
const PORTS6: Set = set("inet", "ports6");
const MEMBERS4: Set = set("inet", "members4");
const MEMBERS6: Set = set("inet", "members6");

/// All sets and maps.
pub const SETS: [Set; 9] = [TAP_MAC, TAP_IP4, TAP_IP6, TAP_ND, ZONES, PORTS4, PORTS6, MEMBERS4, MEMBERS6];

/// Where an element belongs, its key and, in a map, its value.
pub fn of_element(element: &Element, value: Option<&Value>) -> (Set, String, Option<String>) {
    let by_family = |ip: &IpAddr, four, six| if ip.is_ipv4() { four } else { six };
    match element {
        Element::TapMac(tap, mac) => (TAP_MAC, format!("\"{tap}\" . {mac}"), None),
        Element::TapIp(tap, ip) => (by_family(ip, TAP_IP4, TAP_IP6), format!("\"{tap}\" . {ip}"), None),
        Element::TapNd(tap, ip) => (TAP_ND, format!("\"{tap}\" . {:#x}", u128::from(*ip)), None),
        Element::Zone(vni) => {
            let zone = if let Some(Value::Zone(zone)) = value { Some(zone.to_string()) } else { None };
            (ZONES, format!("\"{}\"", vni.bridge()), zone)
        }
        Element::PortIp(vni, ip) => {
            (by_family(ip, PORTS4, PORTS6), bridge_and(*vni, ip), Some("goto members".to_owned()))
        }
        Element::Member(vni, ip) => (by_family(ip, MEMBERS4, MEMBERS6), bridge_and(*vni, ip), None),
    }
}

fn bridge_and(vni: Vni, ip: &IpAddr) -> String {
    format!("\"{}\" . {ip}", vni.bridge())
}

/// Reads an element as nft lists it in JSON; none where it is not one of ours.
pub fn to_element(set: &str, item: &Json) -> Option<(Element, Value)> {
    let (key, value) = match item {
        Json::Array(pair) => (pair.first()?, pair.get(1)),
        other => (other, None),
    };
    if set == ZONES.name {
        let zone = u16::try_from(value?.as_u64()?).ok()?;
        return Some((Element::Zone(vni_of(key.as_str()?, "ikbr")?), Value::Zone(zone)));
    }
    let parts = key.get("concat")?.as_array()?;
    let (device, address) = (parts.first()?.as_str()?, parts.get(1)?);
    let tap = || device.to_owned();
    let bridge = || vni_of(device, "ikbr");
    let ip = || address.as_str()?.parse::<IpAddr>().ok();
    let element = match set {
        "tap_mac" => Element::TapMac(tap(), address.as_str()?.parse().ok()?),
        "tap_ip4" | "tap_ip6" => Element::TapIp(tap(), ip()?),
        "tap_nd" => Element::TapNd(tap(), number(address)?),
        "ports4" | "ports6" => Element::PortIp(bridge()?, ip()?),
        "members4" | "members6" => Element::Member(bridge()?, ip()?),
        _ => return None,
    };
    let expected = value.is_none_or(|value| value.pointer("/goto/target").and_then(Json::as_str) == Some("members"));
    Some((element, if expected { Value::Present } else { Value::wrong(format!("leads to {value:?}")) }))
}

/// nft lists a raw number as text in hexadecimal where it has more than 64 bits.
fn number(json: &Json) -> Option<Ipv6Addr> {
    match json {
        Json::Number(small) => Some(Ipv6Addr::from(u128::from(small.as_u64()?))),
        Json::String(text) => u128::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Ipv6Addr::from),
        _ => None,
    }
}
