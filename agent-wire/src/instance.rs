//! Instances: everything a compute-agent needs to know to make one, and nothing it must look up.

use crate::key::ObjectKey;
use crate::kind::Kind;
use crate::need::Need;
use crate::operation::OperationSpec;
use ipnetwork::IpNetwork;
use iroko_model::image::DiskFormat;
use iroko_model::instance::{OnGuestShutdown, Power};
use iroko_model::{Hostname, ImageId, InstanceId, MacAddress, NetworkId, PortId, Resources};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An instance as its compute-agent shall keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// The instance.
    pub id: InstanceId,
    /// Grows with every change of what is wanted; observations carry it back.
    pub generation: u64,
    /// Wanted power state; `deleted` means: remove every trace and report `absent`.
    pub power: Power,
    /// The operation that was asked for last; none where there never was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationSpec>,
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

impl Kind for InstanceSpec {
    fn key(&self) -> ObjectKey {
        ObjectKey::Instance(self.id)
    }

    fn part_of(&self) -> Option<Need> {
        None
    }
}
