//! Bridges, VXLAN devices, and how a device becomes a port of a bridge.
//!
//! A bridge of ours asks nobody and has no address. What reaches a port is what the control plane
//! said: nothing unknown is flooded to any port, and nothing at all to the tunnel. Where ports share
//! addresses ([`Sharing`]) what is sent to many reaches the tunnel, whose filter lets ARP and
//! neighbour discovery about those pass; where they share MAC addresses, where these are is learned.

use super::netlink::Netlink;
use super::{LinkError, forwarding};
use crate::object::{Sharing, bridge_mac};
use iroko_model::Vni;
use netlink_packet_route::link::{AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoVxlan, LinkAttribute};
use rtnetlink::{LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVxlan};
use std::net::IpAddr;

/// UDP port of VXLAN (RFC 7348 section 5).
pub const VXLAN_PORT: u16 = 4789;
/// Hops a tunnelled packet may take: the default of IP, not what the inner packet has left.
pub const VXLAN_TTL: u8 = 64;
/// How long what was learned is believed without a word from there: a day. A MAC address that moves
/// is announced, so a shorter time would only cut off those that listen and do not speak.
pub const AGEING_S: u32 = 86_400;
/// The same in the bridge's unit, hundredths of a second.
pub const BRIDGE_AGEING: u32 = AGEING_S * 100;

/// What a bridge port is for; decides what is flooded to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest's tap, or the service: hears broadcast and multicast of local instances.
    Local(Sharing),
    /// The tunnel: hears nothing that was not addressed to a known instance, unless addresses are
    /// shared.
    Tunnel(Sharing),
}

impl Role {
    const fn learns(self) -> bool {
        let (Self::Local(sharing) | Self::Tunnel(sharing)) = self;
        matches!(sharing, Sharing::Macs)
    }

    /// The port attributes of this role, as set and as expected when read.
    ///
    /// The bridge keeps announcements (gratuitous ARP, unsolicited neighbour advertisements) from
    /// ports on which it suppresses, but not those that come from such a port: so it suppresses on
    /// the tap of a port whose announcements are to cross. It then answers nothing for that port,
    /// whose questions cross too.
    pub fn flags(self) -> Vec<InfoBridgePort> {
        let (Self::Local(sharing) | Self::Tunnel(sharing)) = self;
        let is_local = matches!(self, Self::Local(_));
        let is_shared = sharing != Sharing::Nothing;
        vec![
            InfoBridgePort::Learning(self.learns()),
            InfoBridgePort::UnicastFlood(false),
            InfoBridgePort::MulticastFlood(is_local || is_shared),
            InfoBridgePort::BroadcastFlood(is_local || is_shared),
            InfoBridgePort::NeighSupress(!is_local || is_shared),
            InfoBridgePort::HairpinMode(false),
        ]
    }
}

/// Makes a bridge, or sets one right that is there.
pub async fn ensure_bridge(netlink: &Netlink, vni: Vni, mtu: u32) -> Result<(), LinkError> {
    let name = vni.bridge();
    let settings = || {
        LinkBridge::new(&name)
            .mcast_snooping(false)
            .nf_call_iptables(true)
            .nf_call_ip6tables(true)
            .ageing_time(BRIDGE_AGEING)
            .address(bridge_mac(vni).octets().to_vec())
    };
    let index = match netlink.link(&name).await? {
        Some(link) => {
            let change = settings().index(link.header.index).build();
            netlink.handle().link().change(change).execute().await?;
            link.header.index
        }
        None => {
            netlink.handle().link().add(settings().build()).execute().await?;
            netlink.index(&name).await?
        }
    };
    netlink.set(no_ipv6_address(index).mtu(mtu).build()).await?;
    netlink.set(LinkUnspec::new_with_index(index).up().build()).await
}

/// Makes a VXLAN device on its network's bridge, or sets one right that is there. Its VNI and
/// local address cannot be changed: remove it first.
pub async fn ensure_vxlan(
    netlink: &Netlink,
    vni: Vni,
    local: IpAddr,
    mtu: u32,
    sharing: Sharing,
) -> Result<(), LinkError> {
    let name = vni.vxlan();
    let settings = || {
        let device = LinkVxlan::new(&name, vni.get());
        learned_vxlan(sharing).into_iter().fold(device, |device, setting| device.append_info_data(setting))
    };
    let index = match netlink.link(&name).await? {
        Some(link) => {
            let change = settings().index(link.header.index).build();
            netlink.handle().link().change(change).execute().await?;
            if sharing != Sharing::Macs {
                forwarding::forget_learned(netlink, link.header.index).await?;
            }
            link.header.index
        }
        None => {
            let device = settings().port(VXLAN_PORT).ttl(VXLAN_TTL);
            let device = match local {
                IpAddr::V4(v4) => device.local(v4),
                IpAddr::V6(v6) => device.local6(v6),
            };
            netlink.handle().link().add(device.build()).execute().await?;
            netlink.index(&name).await?
        }
    };
    plug(netlink, index, vni, mtu, Role::Tunnel(sharing)).await
}

/// What a VXLAN device must say of what it learns, when read; it can be changed.
pub fn learned_vxlan(sharing: Sharing) -> Vec<InfoVxlan> {
    vec![InfoVxlan::Learning(sharing == Sharing::Macs), InfoVxlan::Ageing(AGEING_S)]
}

/// What a VXLAN device must say of itself, when read; it cannot be changed.
pub fn expected_vxlan(vni: Vni) -> Vec<InfoVxlan> {
    vec![InfoVxlan::Id(vni.get()), InfoVxlan::Port(VXLAN_PORT), InfoVxlan::Ttl(VXLAN_TTL)]
}

/// Makes a device a port of a network's bridge and brings it up, last of all.
pub async fn plug(netlink: &Netlink, index: u32, vni: Vni, mtu: u32, role: Role) -> Result<(), LinkError> {
    let bridge = netlink.index(&vni.bridge()).await?;
    netlink.set(no_ipv6_address(index).mtu(mtu).controller(bridge).build()).await?;
    let port = role.flags().into_iter().fold(LinkBridgePort::new(index), |port, flag| port.append_info_data(flag));
    // What was learned there before goes, unless more may be.
    let port = if role.learns() { port } else { port.append_info_data(InfoBridgePort::Flush) };
    netlink.handle().link().set_port(port.build()).execute().await?;
    netlink.set(LinkUnspec::new_with_index(index).up().build()).await
}

/// The host must not speak on a tenant's network: no link-local address comes by itself.
pub fn no_ipv6_address(index: u32) -> LinkMessageBuilder<LinkUnspec> {
    let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    LinkUnspec::new_with_index(index)
        .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![none])]))
}
