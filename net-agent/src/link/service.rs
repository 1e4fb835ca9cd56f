//! The service namespace of a network: where its DHCP and DNS server lives.
//!
//! ```text
//!   bridge ikbr0000ff ── iksv0000ff ═══ iksn0000ff (service address), namespace ikns0000ff
//! ```
//!
//! It has no route but to its own subnets. From it an operator reaches the guests of this host.

use super::device::{Role, plug};
use super::netlink::Netlink;
use super::{LinkError, netns};
use crate::object::{Sharing, namespace, service_device, service_mac, service_port};
use ipnetwork::IpNetwork;
use iroko_model::Vni;
use netlink_packet_route::address::{AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::LinkAttribute;
use rtnetlink::{LinkUnspec, LinkVeth};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Settings of the namespace, before its device is there: no address by itself but the link-local
/// one, and that at once (the same address is on every host, which duplicate detection never sees).
const SYSCTLS: [(&str, &str); 3] = [
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/autoconf", "0"),
];

/// Makes the namespace with its cable and addresses, or sets right what is there.
pub async fn ensure(
    netlink: &Netlink,
    netns_dir: &Path,
    vni: Vni,
    mtu: u32,
    addresses: &[IpNetwork],
) -> Result<(), LinkError> {
    let path = netns_dir.join(namespace(vni));
    netns::ensure(path.clone()).await?;
    netns::run_in(path.clone(), write_sysctls).await??;
    let inside = Netlink::open_in(path.clone()).await?;
    if inside.link(&service_device(vni)).await?.is_none() || netlink.link(&service_port(vni)).await?.is_none() {
        netlink.delete(&service_port(vni)).await?;
        cable(netlink, &path, vni).await?;
    }
    let index = inside.index(&service_device(vni)).await?;
    let mac = service_mac(vni).octets().to_vec();
    inside.set(LinkUnspec::new_with_index(index).address(mac).mtu(mtu).build()).await?;
    inside.set(LinkUnspec::new_with_index(index).up().build()).await?;
    inside.set(LinkUnspec::new_with_index(inside.index("lo").await?).up().build()).await?;
    set_addresses(&inside, index, addresses).await?;
    plug(netlink, netlink.index(&service_port(vni)).await?, vni, mtu, Role::Local(Sharing::Nothing)).await
}

/// Removes cable and namespace.
pub async fn remove(netlink: &Netlink, netns_dir: &Path, vni: Vni) -> Result<(), LinkError> {
    netlink.delete(&service_port(vni)).await?;
    netns::remove(&netns_dir.join(namespace(vni)))
}

/// A veth pair whose far end starts its life inside the namespace.
async fn cable(netlink: &Netlink, path: &Path, vni: Vni) -> Result<(), LinkError> {
    let opened = File::open(path);
    let file = opened.map_err(|source| LinkError::Namespace { path: path.to_owned(), what: "is not there", source })?;
    let mut far = LinkUnspec::new_with_name(&service_device(vni)).address(service_mac(vni).octets().to_vec()).build();
    far.attributes.push(LinkAttribute::NetNsFd(file.as_raw_fd()));
    let near = LinkVeth::new(&service_port(vni), &service_device(vni));
    let near =
        near.set_info_data(netlink_packet_route::link::InfoData::Veth(netlink_packet_route::link::InfoVeth::Peer(far)));
    Ok(netlink.handle().link().add(near.build()).execute().await?)
}

async fn set_addresses(inside: &Netlink, index: u32, wanted: &[IpNetwork]) -> Result<(), LinkError> {
    let wanted: BTreeSet<IpNetwork> = wanted.iter().copied().collect();
    let mut there = BTreeSet::new();
    for message in inside.addresses().await?.into_iter().filter(|message| message.header.index == index) {
        let Some(address) = address_of(&message) else { continue };
        if !wanted.contains(&address) {
            super::gone_is_fine(inside.handle().address().del(message).execute().await.map_err(LinkError::from))?;
        }
        there.insert(address);
    }
    for address in wanted.difference(&there) {
        let mut request = inside.handle().address().add(index, address.ip(), address.prefix());
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        request.execute().await?;
    }
    Ok(())
}

/// The address a message is about; none for link-local ones, which come by themselves.
pub fn address_of(message: &AddressMessage) -> Option<IpNetwork> {
    use netlink_packet_route::address::AddressAttribute;
    if message.header.scope == AddressScope::Link {
        return None;
    }
    let ip = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    ip.and_then(|ip: IpAddr| IpNetwork::new(ip, message.header.prefix_len).ok())
}

fn write_sysctls() -> Result<(), LinkError> {
    for (name, value) in SYSCTLS {
        let path = format!("/proc/sys/{name}");
        fs::write(&path, value).map_err(|source| LinkError::Sysctl { path, source })?;
    }
    Ok(())
}
