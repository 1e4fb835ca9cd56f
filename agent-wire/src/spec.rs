//! Desired objects: everything an agent needs to know to make one, and nothing it must look up.

use crate::ConnectionLogSpec;
use ipnetwork::IpNetwork;
use iroko_model::image::DiskFormat;
use iroko_model::instance::{OnGuestShutdown, Power};
use iroko_model::port::{AddressPair, PortLimits};
use iroko_model::{
    HostId, Hostname, ImageId, InstanceId, MacAddress, NetworkId, PortId, Resources, SecurityGroupId, SubnetId, Vni,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A virtual machine as its compute-agent shall keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// The instance.
    pub id: InstanceId,
    /// Grows with every change of what is wanted; observations carry it back.
    pub generation: u64,
    /// Wanted power state; `deleted` means: remove every trace and report `absent`.
    pub power: Power,
    /// How many reboots were ever asked for. The agent reboots a running machine once when this is
    /// larger than the number it has stored for it, and does nothing for a machine that is off.
    pub reboots: u64,
    /// Host name for the guest (cloud-init `local-hostname`).
    pub hostname: Hostname,
    /// Processors, memory and disk.
    pub resources: Resources,
    /// The image its disk starts from.
    pub image: ImageSpec,
    /// Interfaces in the order the guest sees them.
    pub nics: Vec<NicSpec>,
    /// `authorized_keys` lines for the image's default user.
    pub ssh_keys: Vec<String>,
    /// cloud-init user data as the tenant sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// The user data is base64 of what the guest shall get.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_data_is_base64: bool,
    /// What shall be when the guest shuts itself down. A control plane of an older release says nothing and
    /// wants it started again.
    #[serde(default = "start_again")]
    pub on_guest_shutdown: OnGuestShutdown,
    /// It was seen running before. Where its host finds nothing of it, its disk is lost: none is made in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_run: bool,
}

const fn start_again() -> OnGuestShutdown {
    OnGuestShutdown::StartAgain
}

/// The image of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// The image.
    pub id: ImageId,
    /// Declared format; nothing is ever guessed from the bytes.
    pub format: DiskFormat,
    /// SHA-256 of the bytes, lower case hexadecimal.
    pub sha256: String,
    /// Length of the bytes.
    pub size_bytes: u64,
    /// Size of the disk the guest sees, before it is grown to the flavor's.
    pub virtual_size_bytes: u64,
}

/// An interface of an instance: the compute-agent's view of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    /// The port.
    pub port_id: PortId,
    /// Its network.
    pub network_id: NetworkId,
    /// The tap device that the net-agent of this host makes for it.
    pub tap: String,
    /// The guest's Ethernet address.
    pub mac: MacAddress,
    /// MTU the guest shall use.
    pub mtu: u32,
    /// The guest's addresses.
    pub addresses: Vec<NicAddress>,
}

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicAddress {
    /// Address and prefix length of its subnet, `10.0.0.5/24`.
    pub address: IpNetwork,
    /// Default gateway, where the subnet has one that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Resolvers.
    #[serde(default)]
    pub dns_servers: Vec<IpAddr>,
}

/// A tenant network as a net-agent shall carry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The network.
    pub id: NetworkId,
    /// Grows with every change.
    pub generation: u64,
    /// Its identifier on the wire; also names bridge and VXLAN device.
    pub vni: Vni,
    /// MTU of guests on it.
    pub mtu: u32,
    /// DNS domain of the network's machines, `archives.internal`.
    pub domain: String,
    /// Its subnets.
    pub subnets: Vec<SubnetSpec>,
}

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetSpec {
    /// The subnet.
    pub id: SubnetId,
    /// Its range, host bits zero.
    pub cidr: IpNetwork,
    /// The gateway address, told to guests only where a router answers on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The address of the network's own DHCP and DNS service, the same on every host: each host's
    /// service answers only its own machines.
    pub service: IpAddr,
    /// Resolvers told to guests after the service itself.
    #[serde(default)]
    pub dns_servers: Vec<IpAddr>,
}

/// A port of an instance on this host, as the net-agent shall plug it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// The port.
    pub id: PortId,
    /// Its network; always among the desired networks.
    pub network_id: NetworkId,
    /// The instance behind it.
    pub instance_id: InstanceId,
    /// Grows with every change; the observation carries it back.
    pub generation: u64,
    /// Name of the tap to make.
    pub tap: String,
    /// The guest's Ethernet address; it may use no other, beside those of `allowed_address_pairs`.
    pub mac: MacAddress,
    /// The guest's IP addresses; it may use no others, beside those of `allowed_address_pairs`.
    pub addresses: Vec<IpAddr>,
    /// The guest's name, for DHCP and DNS.
    pub hostname: Hostname,
    /// The groups that say what it may send and get; empty: nothing. None: the control plane is of
    /// a release that knows no groups; members of the network may talk to it, and it to anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<SecurityGroupId>>,
    /// False: neither its addresses nor its groups are enforced.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_secured: bool,
    /// Further addresses it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_address_pairs: Vec<AddressPair>,
    /// How much it may carry.
    #[serde(default, skip_serializing_if = "PortLimits::is_none")]
    pub limits: PortLimits,
    /// What of its traffic is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_log: Option<ConnectionLogSpec>,
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_yes(is: &bool) -> bool {
    *is
}

/// A port of the same network on another host: where its MAC address lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSpec {
    /// The port.
    pub port_id: PortId,
    /// The network.
    pub network_id: NetworkId,
    /// The host it is on. An agent ignores peers of its own host.
    pub host_id: HostId,
    /// Underlay address of that host's VXLAN end.
    pub vtep: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Its IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Its name, for DNS.
    pub hostname: Hostname,
    /// Further addresses it may use, which other ports may share with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_address_pairs: Vec<AddressPair>,
}
