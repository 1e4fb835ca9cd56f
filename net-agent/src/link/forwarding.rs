//! Where frames go: behind which device of the bridge, behind which host, under which address.
//!
//! Three tables of the kernel speak of a remote instance, all written by us alone:
//!
//! ```text
//!   bridge FDB      MAC -> VXLAN device   (static; `master` in iproute2's words)
//!   VXLAN FDB       MAC -> VTEP           (permanent; `self`)
//!                   to many -> VTEPs      (the same, of the MAC address zero)
//!   neighbours      IP  -> MAC            (permanent, on the bridge: that is where suppression looks)
//! ```
//!
//! A local instance has the first, with its tap. The bridge's are sticky: what is learned of MAC
//! addresses that move ([`crate::object::Sharing`]) does not move them, nor the tunnel's.

use super::netlink::Netlink;
use super::{LinkError, gone_is_fine};
use iroko_model::{MacAddress, Vni};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE};
use std::net::IpAddr;

/// The MAC address under which a VXLAN device looks for where to send what is sent to many.
pub const MANY: MacAddress = MacAddress::from_octets([0; 6]);

/// One entry of one of the three tables.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// On the VXLAN device: the VTEP behind which a MAC address is; none to remove it.
    Tunnel(Vni, MacAddress, Option<IpAddr>),
    /// On the VXLAN device: one of the VTEPs that get what is sent to many.
    Flood(Vni, IpAddr),
    /// On a bridge: the device behind which a MAC address is.
    Forward(MacAddress, &'a str),
    /// On the bridge: the MAC address of an IP address; none to remove it.
    Neighbour(Vni, IpAddr, Option<MacAddress>),
}

/// Makes an entry so.
pub async fn put(netlink: &Netlink, entry: Entry<'_>) -> Result<(), LinkError> {
    let message = RouteNetlinkMessage::NewNeighbour(message(netlink, entry).await?);
    let beside = if matches!(entry, Entry::Flood(..)) { NLM_F_APPEND } else { NLM_F_REPLACE };
    netlink.request(message, NLM_F_CREATE | beside).await
}

/// Removes an entry. Gone is fine.
pub async fn remove(netlink: &Netlink, entry: Entry<'_>) -> Result<(), LinkError> {
    let outcome = match message(netlink, entry).await {
        Ok(message) => netlink.request(RouteNetlinkMessage::DelNeighbour(message), 0).await,
        Err(error) => Err(error),
    };
    gone_is_fine(outcome)
}

/// Removes what a VXLAN device has learned by itself.
pub async fn forget_learned(netlink: &Netlink, index: u32) -> Result<(), LinkError> {
    for entry in netlink.neighbours(AddressFamily::Bridge).await? {
        let is_its_own = entry.header.ifindex == index && entry.header.flags.contains(NeighbourFlags::Own);
        if is_its_own && !is_fixed(&entry) {
            gone_is_fine(netlink.request(RouteNetlinkMessage::DelNeighbour(entry), 0).await)?;
        }
    }
    Ok(())
}

/// True for an entry that was set and not learned.
pub fn is_fixed(entry: &NeighbourMessage) -> bool {
    matches!(entry.header.state, NeighbourState::Permanent | NeighbourState::Noarp)
}

async fn message(netlink: &Netlink, entry: Entry<'_>) -> Result<NeighbourMessage, LinkError> {
    let mut message = NeighbourMessage::default();
    let lladdr = |mac: MacAddress| NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec());
    message.header.state = NeighbourState::Permanent;
    match entry {
        Entry::Tunnel(vni, mac, vtep) => {
            message.header.family = AddressFamily::Bridge;
            message.header.flags = NeighbourFlags::Own;
            message.header.ifindex = netlink.index(&vni.vxlan()).await?;
            message.attributes.push(lladdr(mac));
            message.attributes.extend(vtep.map(|ip| NeighbourAttribute::Destination(NeighbourAddress::from(ip))));
        }
        Entry::Flood(vni, vtep) => {
            message.header.family = AddressFamily::Bridge;
            message.header.flags = NeighbourFlags::Own;
            message.header.ifindex = netlink.index(&vni.vxlan()).await?;
            message.attributes.push(lladdr(MANY));
            message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(vtep)));
        }
        Entry::Forward(mac, device) => {
            message.header.family = AddressFamily::Bridge;
            message.header.flags = NeighbourFlags::Controller | NeighbourFlags::Sticky;
            // `permanent` would mean: an address of the host itself. `noarp` is iproute2's `static`.
            message.header.state = NeighbourState::Noarp;
            message.header.ifindex = netlink.index(device).await?;
            message.attributes.push(lladdr(mac));
        }
        Entry::Neighbour(vni, ip, mac) => {
            message.header.family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            message.header.ifindex = netlink.index(&vni.bridge()).await?;
            message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(ip)));
            message.attributes.extend(mac.map(lladdr));
        }
    }
    Ok(message)
}
