//! Bridges, VXLAN devices, and how a device becomes a port of a bridge.
//!
//! A bridge of ours learns nothing, asks nobody and has no address. What reaches a port is what
//! the control plane said: nothing unknown is flooded to any port, and nothing at all to the
//! tunnel.

use super::LinkError;
use super::netlink::Netlink;
use crate::object::bridge_mac;
use iroko_model::Vni;
use netlink_packet_route::link::{AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridgePort, InfoVxlan, LinkAttribute};
use rtnetlink::{LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVxlan};
use std::net::IpAddr;

/// UDP port of VXLAN (RFC 7348 section 5).
pub const VXLAN_PORT: u16 = 4789;
/// Hops a tunnelled packet may take: the default of IP, not what the inner packet has left.
pub const VXLAN_TTL: u8 = 64;

/// What a bridge port is for; decides what is flooded to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest's tap, or the service: hears broadcast and multicast of local machines.
    Local,
    /// The tunnel: hears nothing that was not addressed to a known machine.
    Tunnel,
}

impl Role {
    /// The port attributes of this role, as set and as expected when read.
    pub fn flags(self) -> Vec<InfoBridgePort> {
        let local = self == Self::Local;
        vec![
            InfoBridgePort::Learning(false),
            InfoBridgePort::UnicastFlood(false),
            InfoBridgePort::MulticastFlood(local),
            InfoBridgePort::BroadcastFlood(local),
            InfoBridgePort::NeighSupress(!local),
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
pub async fn ensure_vxlan(netlink: &Netlink, vni: Vni, local: IpAddr, mtu: u32) -> Result<(), LinkError> {
    let name = vni.vxlan();
    if netlink.link(&name).await?.is_none() {
        let device = LinkVxlan::new(&name, vni.get()).port(VXLAN_PORT).learning(false).ttl(VXLAN_TTL);
        let device = match local {
            IpAddr::V4(v4) => device.local(v4),
            IpAddr::V6(v6) => device.local6(v6),
        };
        netlink.handle().link().add(device.build()).execute().await?;
    }
    let index = netlink.index(&name).await?;
    plug(netlink, index, vni, mtu, Role::Tunnel).await
}

/// What a VXLAN device must say of itself, when read.
pub fn expected_vxlan(vni: Vni) -> Vec<InfoVxlan> {
    vec![InfoVxlan::Id(vni.get()), InfoVxlan::Port(VXLAN_PORT), InfoVxlan::Learning(false), InfoVxlan::Ttl(VXLAN_TTL)]
}

/// Makes a device a port of a network's bridge and brings it up, last of all.
pub async fn plug(netlink: &Netlink, index: u32, vni: Vni, mtu: u32, role: Role) -> Result<(), LinkError> {
    let bridge = netlink.index(&vni.bridge()).await?;
    netlink.set(no_ipv6_address(index).mtu(mtu).controller(bridge).build()).await?;
    let port = role.flags().into_iter().fold(LinkBridgePort::new(index), |port, flag| port.append_info_data(flag));
    netlink.handle().link().set_port(port.build()).execute().await?;
    netlink.set(LinkUnspec::new_with_index(index).up().build()).await
}

/// The host must not speak on a tenant's network: no link-local address comes by itself.
fn no_ipv6_address(index: u32) -> LinkMessageBuilder<LinkUnspec> {
    let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    LinkUnspec::new_with_index(index)
        .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![none])]))
}
