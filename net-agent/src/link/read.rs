//! A device as the kernel describes it -> what it is to us. Pure.

use super::device::{BRIDGE_AGEING, Role, expected_vxlan, learned_vxlan};
use crate::object::{Sharing, Value, bridge_mac, vni_of};
use iroko_model::Vni;
use netlink_packet_route::link::{
    InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoTun, InfoVxlan, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};
use nix::libc;
use rtnetlink::packet_core::Nla;
use std::collections::HashMap;
use std::net::IpAddr;

/// Names of devices by index, for the devices that are masters of others.
pub type Names = HashMap<u32, String>;

/// Name of a device.
pub fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// MTU of a device.
pub fn mtu(link: &LinkMessage) -> u32 {
    link.attributes.iter().find_map(|a| if let LinkAttribute::Mtu(mtu) = a { Some(*mtu) } else { None }).unwrap_or(0)
}

fn address(link: &LinkMessage) -> Option<&[u8]> {
    link.attributes.iter().find_map(|a| if let LinkAttribute::Address(mac) = a { Some(mac.as_slice()) } else { None })
}

fn master<'a>(link: &LinkMessage, names: &'a Names) -> Option<&'a str> {
    let index =
        link.attributes.iter().find_map(|a| if let LinkAttribute::Controller(index) = a { Some(*index) } else { None });
    names.get(&index?).map(String::as_str)
}

fn infos(link: &LinkMessage) -> impl Iterator<Item = &LinkInfo> {
    link.attributes
        .iter()
        .filter_map(|a| if let LinkAttribute::LinkInfo(infos) = a { Some(infos) } else { None })
        .flatten()
}

fn data(link: &LinkMessage) -> Option<&InfoData> {
    infos(link).find_map(|info| if let LinkInfo::Data(data) = info { Some(data) } else { None })
}

/// True for a device that is up.
pub fn is_up(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::Up)
}

/// A bridge of ours.
pub fn bridge(link: &LinkMessage, vni: Vni) -> Value {
    let Some(InfoData::Bridge(settings)) = data(link) else { return Value::unusable("is no bridge") };
    let expected = [
        InfoBridge::MulticastSnooping(false),
        InfoBridge::NfCallIpTables(true),
        InfoBridge::NfCallIp6Tables(true),
        InfoBridge::AgeingTime(BRIDGE_AGEING),
    ];
    if let Some(unmet) = expected.iter().find(|setting| !settings.contains(setting)) {
        return Value::wrong(format!("lacks {unmet:?}"));
    }
    if address(link) != Some(&bridge_mac(vni).octets()) {
        return Value::wrong("has another MAC address");
    }
    if !is_up(link) {
        return Value::wrong("is down");
    }
    Value::Bridge { mtu: mtu(link) }
}

/// A VXLAN device of ours.
pub fn vxlan(link: &LinkMessage, vni: Vni, names: &Names) -> Value {
    let Some(InfoData::Vxlan(settings)) = data(link) else { return Value::unusable("is no VXLAN device") };
    if let Some(unmet) = expected_vxlan(vni).iter().find(|setting| !settings.contains(setting)) {
        return Value::unusable(format!("lacks {unmet:?}"));
    }
    let local = settings.iter().find_map(|setting| match setting {
        InfoVxlan::Local(v4) => Some(IpAddr::V4(*v4)),
        InfoVxlan::Local6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    });
    let Some(local) = local else { return Value::unusable("has no local address") };
    let sharing = sharing(link, Role::Tunnel);
    if let Some(unmet) = learned_vxlan(sharing).iter().find(|setting| !settings.contains(setting)) {
        return Value::wrong(format!("lacks {unmet:?}"));
    }
    match plugged(link, vni, names, Role::Tunnel(sharing)) {
        Some(wrong) => wrong,
        None => Value::Vxlan { local, mtu: mtu(link), sharing },
    }
}

/// A tap of ours; it says itself on which network it is.
pub fn tap(link: &LinkMessage, names: &Names) -> Value {
    let Some(owner) = tap_owner(link) else { return Value::unusable("is no persistent multi-queue tap") };
    let Some(vni) = master(link, names).and_then(|master| vni_of(master, "ikbr")) else {
        return Value::wrong("is on no bridge of ours");
    };
    let sharing = sharing(link, Role::Local);
    match plugged(link, vni, names, Role::Local(sharing)) {
        Some(wrong) => wrong,
        None => Value::Tap { vni, mtu: mtu(link), owner, sharing },
    }
}

/// Who may open a tap; none where the device is not a tap as we make them.
pub fn tap_owner(link: &LinkMessage) -> Option<Option<u32>> {
    let Some(InfoData::Tun(settings)) = data(link) else { return None };
    // Attributes of rtnetlink's `tun` devices (linux/if_link.h, IFLA_TUN_*).
    let value = |wanted: u16| settings.iter().find(|setting| setting.kind() == wanted).map(tun_value);
    let taps = [(3, 2), (4, 0), (5, 1), (6, 1), (7, 1)]; // type tap, no pi, vnet_hdr, persist, multi_queue
    taps.iter().all(|(kind, wanted)| value(*kind).as_deref() == Some(&[*wanted])).then(|| {
        let owner = value(1).and_then(|bytes| bytes.try_into().ok().map(u32::from_ne_bytes));
        owner.filter(|owner| *owner != libc::uid_t::MAX)
    })
}

fn tun_value(setting: &InfoTun) -> Vec<u8> {
    let mut bytes = vec![0; setting.value_len()];
    setting.emit_value(&mut bytes);
    bytes
}

/// What is wrong with a device as a port of its network's bridge; none where all is right.
pub fn plugged(link: &LinkMessage, vni: Vni, names: &Names, role: Role) -> Option<Value> {
    if master(link, names) != Some(vni.bridge().as_str()) {
        return Some(Value::wrong("is not on its bridge"));
    }
    let flags = port_flags(link);
    if let Some(unmet) = role.flags().iter().find(|flag| !flags.contains(flag)) {
        return Some(Value::wrong(format!("lacks {unmet:?}")));
    }
    (!is_up(link)).then(|| Value::wrong("is down"))
}

fn port_flags(link: &LinkMessage) -> &[InfoBridgePort] {
    let port = infos(link).find_map(|info| match info {
        LinkInfo::PortData(InfoPortData::BridgePort(flags)) => Some(flags),
        _ => None,
    });
    port.map_or(&[], Vec::as_slice)
}

/// What the flags of a bridge port say that is shared; nothing, where they are of no role.
fn sharing(link: &LinkMessage, role: fn(Sharing) -> Role) -> Sharing {
    let flags = port_flags(link);
    let has_all = |sharing: &Sharing| role(*sharing).flags().iter().all(|flag| flags.contains(flag));
    [Sharing::Addresses, Sharing::Macs].into_iter().find(has_all).unwrap_or_default()
}

/// True for an intermediate functional block.
pub fn is_ifb(link: &LinkMessage) -> bool {
    infos(link).any(|info| matches!(info, LinkInfo::Kind(InfoKind::Ifb)))
}

/// True for a bridge port that learns where MAC addresses are.
pub fn learns(link: &LinkMessage) -> bool {
    port_flags(link).contains(&InfoBridgePort::Learning(true))
}
