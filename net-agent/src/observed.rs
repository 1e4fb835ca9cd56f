//! Reads the devices and forwarding entries of the host, all of ours and nothing else.

use crate::link::device::Role;
use crate::link::forwarding::{MANY, is_fixed};
use crate::link::netlink::Netlink;
use crate::link::read::{self, Names};
use crate::link::{LinkError, netns, service, shape};
use crate::object::{self, Key, Sharing, State, Value, namespace, service_device, vni_of};
use iroko_model::{MacAddress, Vni};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::path::Path;

/// Everything of ours that netlink and `/run/netns` show.
pub async fn devices(netlink: &Netlink, netns_dir: &Path) -> Result<State, LinkError> {
    let links = netlink.links().await?;
    let names: Names =
        links.iter().filter_map(|link| Some((link.header.index, read::name(link)?.to_owned()))).collect();
    let mut state: State = links.iter().filter_map(|link| device(link, &names)).collect();
    let learning = links.iter().filter(|link| read::learns(link)).map(|link| link.header.index).collect();
    for entry in netlink.neighbours(AddressFamily::Bridge).await? {
        state.extend(forwarding(&entry, &names, &learning));
    }
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        state.extend(netlink.neighbours(family).await?.iter().filter_map(|entry| neighbour(entry, &names)));
    }
    state.extend(shape::observe(netlink, &links).await?);
    for vni in services(&links, netns_dir) {
        state.insert(Key::Service(vni), service_value(netlink, netns_dir, vni, &names).await?);
    }
    Ok(state)
}

fn device(link: &LinkMessage, names: &Names) -> Option<(Key, Value)> {
    let name = read::name(link)?;
    if let Some(vni) = vni_of(name, "ikbr") {
        return Some((Key::Bridge(vni), read::bridge(link, vni)));
    }
    if let Some(vni) = vni_of(name, "ikvx") {
        return Some((Key::Vxlan(vni), read::vxlan(link, vni, names)));
    }
    let digits = name.strip_prefix("ikt")?;
    object::is_tap_number(digits).then(|| (Key::Tap(name.to_owned()), read::tap(link, names)))
}

fn mac_of(entry: &NeighbourMessage) -> Option<MacAddress> {
    entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => Some(MacAddress::from_octets(bytes.as_slice().try_into().ok()?)),
        _ => None,
    })
}

fn destination(entry: &NeighbourMessage) -> Option<IpAddr> {
    entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        // The kernel gives an FDB entry's destination without saying its family.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes.as_slice()).ok()?)),
            16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)),
            _ => None,
        },
        _ => None,
    })
}

/// An entry of a bridge's or VXLAN device's FDB. What devices that may learn have learned is
/// nothing of ours.
fn forwarding(entry: &NeighbourMessage, names: &Names, learning: &HashSet<u32>) -> Option<(Key, Value)> {
    let mac = mac_of(entry)?;
    let name = names.get(&entry.header.ifindex)?;
    if !is_fixed(entry) && learning.contains(&entry.header.ifindex) {
        return None;
    }
    if entry.header.flags.contains(NeighbourFlags::Own) {
        return tunnel(entry, vni_of(name, "ikvx")?, mac);
    }
    let master = entry.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Controller(index) => names.get(index),
        _ => None,
    });
    let value = match entry.header.state {
        // An address of the bridge or of one of its ports itself; the kernel's own.
        NeighbourState::Permanent => return None,
        NeighbourState::Noarp if entry.header.flags.contains(NeighbourFlags::Sticky) => Value::Device(name.clone()),
        NeighbourState::Noarp => Value::wrong("can be moved by what is learned"),
        _ => Value::wrong("was learned"),
    };
    Some((Key::Forward(vni_of(master?, "ikbr")?, mac), value))
}

/// An entry of a VXLAN device's FDB.
fn tunnel(entry: &NeighbourMessage, vni: Vni, mac: MacAddress) -> Option<(Key, Value)> {
    let vtep = destination(entry)?;
    let (key, right) = match mac {
        MANY => (Key::Flood(vni, vtep), Value::Present),
        mac => (Key::Tunnel(vni, mac), Value::Vtep(vtep)),
    };
    let is_permanent = entry.header.state == NeighbourState::Permanent;
    Some((key, if is_permanent { right } else { Value::wrong("is not permanent") }))
}

/// The device that a bridge's entry of this MAC address is on.
pub async fn port_of(netlink: &Netlink, vni: Vni, mac: MacAddress) -> Result<Option<String>, LinkError> {
    let links = netlink.links().await?;
    let names: Names =
        links.iter().filter_map(|link| Some((link.header.index, read::name(link)?.to_owned()))).collect();
    let entries = netlink.neighbours(AddressFamily::Bridge).await?;
    let is_it = |entry: &&NeighbourMessage| {
        forwarding(entry, &names, &HashSet::new()).is_some_and(|(key, _)| key == Key::Forward(vni, mac))
    };
    Ok(entries.iter().find(is_it).and_then(|entry| names.get(&entry.header.ifindex).cloned()))
}

/// A permanent neighbour on a bridge. All others are the kernel's.
fn neighbour(entry: &NeighbourMessage, names: &Names) -> Option<(Key, Value)> {
    let vni = vni_of(names.get(&entry.header.ifindex)?, "ikbr")?;
    let permanent = entry.header.state == NeighbourState::Permanent;
    permanent.then_some(())?;
    Some((Key::Neighbour(vni, destination(entry)?), Value::Mac(mac_of(entry)?)))
}

/// Networks that have a service namespace or its cable.
fn services(links: &[LinkMessage], netns_dir: &Path) -> BTreeSet<Vni> {
    let cables = links.iter().filter_map(|link| vni_of(read::name(link)?, "iksv"));
    let entries = std::fs::read_dir(netns_dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| vni_of(entry.file_name().to_str()?, "ikns"));
    cables.chain(names).collect()
}

async fn service_value(netlink: &Netlink, netns_dir: &Path, vni: Vni, names: &Names) -> Result<Value, LinkError> {
    let path = netns_dir.join(namespace(vni));
    if !netns::exists(&path) {
        return Ok(Value::wrong("is gone"));
    }
    let Some(cable) = netlink.link(&object::service_port(vni)).await? else {
        return Ok(Value::wrong("has no cable"));
    };
    if let Some(wrong) = read::plugged(&cable, vni, names, Role::Local(Sharing::Nothing)) {
        return Ok(wrong);
    }
    let inside = Netlink::open_in(path).await?;
    let Some(device) = inside.link(&service_device(vni)).await? else {
        return Ok(Value::wrong("has lost its end of the cable"));
    };
    if !device.header.flags.contains(netlink_packet_route::link::LinkFlags::Up) {
        return Ok(Value::wrong("has its end of the cable down"));
    }
    let index = device.header.index;
    let of_device = inside.addresses().await?.into_iter().filter(|message| message.header.index == index);
    let mut addresses: Vec<_> = of_device.filter_map(|message| service::address_of(&message)).collect();
    addresses.sort();
    Ok(Value::Service { mtu: read::mtu(&device), addresses })
}
