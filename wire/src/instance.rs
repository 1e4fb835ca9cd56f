//! Instances.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use crate::flavor::NetworkLimits;
use crate::port::check_addresses;
use crate::security_group::group_ids;
use iroko_model::instance::OnGuestShutdown;
use iroko_model::reason::Code;
use iroko_model::user_data::{self, USER_DATA_MAX_OCTETS};
use iroko_model::{
    Description, FlavorId, Hostname, ImageId, Invalid, Labels, MacAddress, Name, Naming, NetworkId, PortId,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most interfaces of an instance.
pub const INTERFACES_MAX: usize = 8;

/// Most SSH keys of an instance.
pub const SSH_KEYS_MAX: usize = 32;

/// Asks for an instance.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "web-1", "flavor_id": "0198c0de-0000-7000-8000-000000000002",
    "image_id": "0198c0de-0000-7000-8000-000000000004",
    "interfaces": [{"network_id": "0198c0de-0000-7000-8000-000000000005"}],
    "ssh_key_ids": ["0198c0de-0000-7000-8000-000000000003"],
    "user_data": "#cloud-config\npackages: [nginx]\n", "labels": {"role": "web"}}))]
pub struct InstanceCreate {
    /// Name; need not be unique. The guest's host name is made from it.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Its size.
    pub flavor_id: Uuid,
    /// The image its disk starts from; must be `active`.
    pub image_id: Uuid,
    /// 1 to 8 interfaces, in the order the guest sees them.
    #[schema(min_items = 1, max_items = 8)]
    pub interfaces: Vec<InterfaceCreate>,
    /// Keys the image's default user accepts, at most 32.
    #[serde(default)]
    pub ssh_key_ids: Option<Vec<Uuid>>,
    /// cloud-init user data, at most 64 KiB of text. Base64 of what cloud-init reads (of gzip, MIME, `#cloud-config`,
    /// a script) reaches the guest decoded, any other text as it is.
    #[serde(default)]
    #[schema(max_length = 65536)]
    pub user_data: Option<String>,
    /// In place of `user_data`: any bytes as base64, at most 64 KiB once decoded; the guest gets them decoded.
    #[serde(default)]
    #[schema(max_length = 90112)]
    pub user_data_base64: Option<String>,
    /// When the guest shuts itself down: `stay_off` (default) until it is started, or `start_again`.
    #[serde(default)]
    #[schema(pattern = "^(stay_off|start_again)$")]
    pub on_guest_shutdown: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for InstanceCreate {
    fn check(&self, faults: &mut Faults) {
        if let Some(more) = CheckedInstance::try_from(self.clone()).err() {
            faults.extend(more);
        }
    }
}

/// What may change of an instance.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"on_guest_shutdown": "start_again", "labels": {"role": "web"}}))]
pub struct InstanceSettings {
    /// Name; need not be unique. The guest keeps the host name it was made with.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// When the guest shuts itself down: `stay_off` until it is started, or `start_again`.
    #[serde(default = "stay_off")]
    #[schema(pattern = "^(stay_off|start_again)$")]
    pub on_guest_shutdown: String,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for InstanceSettings {
    fn check(&self, faults: &mut Faults) {
        if let Some(more) = self
            .on_guest_shutdown
            .parse::<OnGuestShutdown>()
            .err()
            .map(|fault| Faults::one("/on_guest_shutdown", fault))
        {
            faults.extend(more);
        }
    }
}

fn stay_off() -> String {
    OnGuestShutdown::default().as_str().to_owned()
}

/// An interface asked for: either a network, or a port that stands alone.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceCreate {
    /// A network; a port with addresses of it is made and goes with the instance.
    #[serde(default)]
    pub network_id: Option<Uuid>,
    /// A port that stands alone; it outlives the instance.
    #[serde(default)]
    pub port_id: Option<Uuid>,
    /// With a network: the security groups of the port that is made, at most 16; the project's default group unless given.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub security_group_ids: Option<Vec<Uuid>>,
    /// With a network: the QoS policy of the port that is made; none unless given.
    #[serde(default)]
    pub qos_policy_id: Option<Uuid>,
    /// With a network: IP addresses of its subnets, one of each family at most; any that are free unless given.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 2)]
    pub ip_addresses: Vec<IpAddr>,
    /// With a network: the Ethernet address; one that nobody has unless given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub mac_address: Option<MacAddress>,
}

/// Where an interface comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceSource {
    /// A new port on a network.
    Network(NewInterface),
    /// A port that stands alone.
    Port(PortId),
}

/// What is asked of a port that is made with an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInterface {
    /// Its network.
    pub network_id: NetworkId,
    /// The security groups it is in; the default group where none are named.
    pub security_groups: Option<Vec<Uuid>>,
    /// Its QoS policy.
    pub qos_policy: Option<Uuid>,
    /// IP addresses, instead of any that are free.
    pub ip_addresses: Vec<IpAddr>,
    /// Ethernet address, instead of one that nobody has.
    pub mac_address: Option<MacAddress>,
}

impl InterfaceSource {
    /// The port to be made.
    pub const fn new_port(&self) -> Option<&NewInterface> {
        match self {
            Self::Network(new) => Some(new),
            Self::Port(_) => None,
        }
    }
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedInstance {
    /// What people write on it.
    pub naming: Naming,
    /// Host name.
    pub hostname: Hostname,
    /// Flavor.
    pub flavor_id: FlavorId,
    /// Image.
    pub image_id: ImageId,
    /// Interfaces.
    pub interfaces: Vec<InterfaceSource>,
    /// Keys.
    pub ssh_key_ids: Vec<Uuid>,
    /// User data as it was sent.
    pub user_data: Option<String>,
    /// It is declared base64.
    pub user_data_is_base64: bool,
    /// What shall be when the guest shuts itself down.
    pub on_guest_shutdown: OnGuestShutdown,
}

impl TryFrom<InstanceCreate> for CheckedInstance {
    type Error = Faults;

    fn try_from(wire: InstanceCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let interfaces = interfaces(&wire.interfaces, &mut faults);
        let ssh_key_ids = wire.ssh_key_ids.unwrap_or_default();
        if ssh_key_ids.len() > SSH_KEYS_MAX {
            faults.note(
                "/ssh_key_ids",
                Invalid::new("ssh_keys_too_many", format!("an instance has at most {SSH_KEYS_MAX} SSH keys")),
            );
        }
        if wire.user_data.is_some() && wire.user_data_base64.is_some() {
            let text = "give either user_data or user_data_base64";
            faults.note("/user_data_base64", Invalid::new("user_data_twice", text));
        }
        let user_data_is_base64 = wire.user_data_base64.is_some();
        let text = faults.take("/user_data", wire.user_data.map(user_data).transpose()).flatten();
        let bytes = faults.take("/user_data_base64", wire.user_data_base64.map(user_data_base64).transpose()).flatten();
        let policy = wire.on_guest_shutdown.map(|word| word.parse()).transpose();
        let policy = faults.take("/on_guest_shutdown", policy);
        faults.finish()?;
        Ok(Self {
            hostname: Hostname::from_name(&wire.name),
            naming: Naming { name: wire.name, description: wire.description, labels: wire.labels },
            flavor_id: wire.flavor_id.into(),
            image_id: wire.image_id.into(),
            interfaces,
            ssh_key_ids,
            user_data: text.or(bytes),
            user_data_is_base64,
            on_guest_shutdown: policy.flatten().unwrap_or_default(),
        })
    }
}

fn interfaces(asked: &[InterfaceCreate], faults: &mut Faults) -> Vec<InterfaceSource> {
    if !(1..=INTERFACES_MAX).contains(&asked.len()) {
        faults.note(
            "/interfaces",
            Invalid::new("interfaces_count", format!("an instance has 1 to {INTERFACES_MAX} interfaces")),
        );
    }
    let mut ports = HashSet::new();
    let mut sources = Vec::with_capacity(asked.len());
    for (index, interface) in asked.iter().enumerate() {
        let pointer = format!("/interfaces/{index}/security_group_ids");
        let groups = faults.take(&pointer, interface.security_group_ids.clone().map(group_ids).transpose()).flatten();
        match (interface.network_id, interface.port_id) {
            (Some(network), None) => {
                let at = format!("/interfaces/{index}");
                check_addresses(&at, &interface.ip_addresses, interface.mac_address, faults);
                sources.push(InterfaceSource::Network(NewInterface {
                    network_id: network.into(),
                    security_groups: groups,
                    qos_policy: interface.qos_policy_id,
                    ip_addresses: interface.ip_addresses.clone(),
                    mac_address: interface.mac_address,
                }));
            }
            (None, Some(_)) if groups.is_some() => {
                let text = "a port that stands alone has its own groups; change them there";
                faults.note(&pointer, Invalid::new("groups_of_port", text));
            }
            (None, Some(_)) if interface.qos_policy_id.is_some() => {
                let text = "a port that stands alone has its own QoS policy; change it there";
                faults.note(&format!("/interfaces/{index}/qos_policy_id"), Invalid::new("policy_of_port", text));
            }
            (None, Some(_)) if !interface.ip_addresses.is_empty() || interface.mac_address.is_some() => {
                let text = "a port that stands alone has its own addresses; leave ip_addresses and mac_address out";
                faults.note(&format!("/interfaces/{index}"), Invalid::new("addresses_of_port", text));
            }
            (None, Some(port)) if ports.insert(port) => sources.push(InterfaceSource::Port(port.into())),
            (None, Some(_)) => faults
                .note(&format!("/interfaces/{index}/port_id"), Invalid::new("port_twice", "the port is named twice")),
            _ => faults.note(
                &format!("/interfaces/{index}"),
                Invalid::new("interface_source", "give either network_id or port_id"),
            ),
        }
    }
    sources
}

fn user_data(text: String) -> Result<String, Invalid> {
    if text.len() > USER_DATA_MAX_OCTETS {
        return Err(Invalid::new(
            "user_data_long",
            format!("user data has at most {USER_DATA_MAX_OCTETS} octets; let it fetch the rest"),
        ));
    }
    if text.contains('\0') {
        return Err(Invalid::new("user_data_nul", "user data is text without NUL characters"));
    }
    Ok(text)
}

fn user_data_base64(text: String) -> Result<String, Invalid> {
    match user_data::decode(&text) {
        None => Err(Invalid::new("user_data_base64_form", "this is not base64 (RFC 4648, section 4)")),
        Some(bytes) if bytes.len() > USER_DATA_MAX_OCTETS || text.len() > 2 * USER_DATA_MAX_OCTETS => {
            Err(Invalid::new(
                "user_data_long",
                format!("user data has at most {USER_DATA_MAX_OCTETS} octets; let it fetch the rest"),
            ))
        }
        Some(_) => Ok(text),
    }
}

/// An interface of an instance.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Interface {
    /// Its port.
    pub port_id: Uuid,
    /// Its network.
    pub network_id: Uuid,
    /// Ethernet address.
    pub mac_address: String,
    /// IP addresses, IPv4 first.
    pub ip_addresses: Vec<String>,
    /// The security groups of its port.
    pub security_group_ids: Vec<Uuid>,
    /// The QoS policy of its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos_policy_id: Option<Uuid>,
}

/// A virtual machine.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000008", "name": "web-1", "hostname": "web-1", "status": "running",
    "flavor_id": "0198c0de-0000-7000-8000-000000000002", "vcpus": 1, "memory_mib": 1024, "disk_gib": 10, "network_limits": {"ingress_kbit_s": 1000000},
    "image_id": "0198c0de-0000-7000-8000-000000000004", "ssh_key_ids": ["0198c0de-0000-7000-8000-000000000003"],
    "interfaces": [{"port_id": "0198c0de-0000-7000-8000-000000000007", "network_id": "0198c0de-0000-7000-8000-000000000005",
        "mac_address": "02:7c:11:22:33:44", "ip_addresses": ["10.20.0.17"],
        "security_group_ids": ["0198c0de-0000-7000-8000-000000000020"]}],
    "description": "", "project_id": "0198c0de-0000-7000-8000-000000000003", "on_guest_shutdown": "stay_off", "labels": {"role": "web"},
    "generation": 1, "observed_generation": 1, "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Instance {
    /// What every noun shows; the name need not be unique.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: Uuid,
    /// Host name told to the guest.
    pub hostname: String,
    /// `pending`, `building`, `running`, `stopping`, `stopped`, `rebooting`, `paused` (held until its host's disk has room), `error`, `deleting`, `deleted` or `unreachable`.
    #[schema(
        pattern = "^(pending|building|running|stopping|stopped|rebooting|paused|error|deleting|deleted|unreachable)$"
    )]
    pub status: String,
    /// Why, in one word that programs compare; where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<iroko_model::reason::Code>)]
    pub status_code: Option<Code>,
    /// Why, in a sentence, in the language of `Accept-Language`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// The flavor it was made with.
    pub flavor_id: Uuid,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// Most that each interface may carry, from the flavor as it was when the instance was made.
    pub network_limits: NetworkLimits,
    /// The image its disk started from.
    pub image_id: Uuid,
    /// The SSH keys it was made with; some may have been deleted since.
    pub ssh_key_ids: Vec<Uuid>,
    /// The host it is on; shown to operators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<Uuid>,
    /// Interfaces, in the order the guest sees them.
    pub interfaces: Vec<Interface>,
    /// When the guest shuts itself down: `stay_off` until it is started, or `start_again`.
    #[schema(pattern = "^(stay_off|start_again)$")]
    pub on_guest_shutdown: String,
    /// When the guest last shut itself down, where nobody has started or stopped it since.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub guest_shutdown_at: Option<OffsetDateTime>,
    /// The generation that its host has carried out: what was asked for up to it is in force.
    pub observed_generation: i64,
    /// When it was gone; absent while it is there.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<OffsetDateTime>,
}

/// The user data an instance was made with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"user_data": "#cloud-config\n"}))]
pub struct UserData {
    /// As it was sent; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// As it was sent, where it was sent as base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data_base64: Option<String>,
}

impl UserData {
    /// Shows what was sent, in the field in which it came.
    pub fn of(sent: Option<String>, is_base64: bool) -> Self {
        match is_base64 {
            true => Self { user_data: None, user_data_base64: sent },
            false => Self { user_data: sent, user_data_base64: None },
        }
    }
}

/// The tail of an instance's serial console.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"output": "[    2.1] Debian GNU/Linux 12 web-1 ttyS0\n", "updated_at": "2026-11-23T08:01:00Z"}))]
pub struct ConsoleOutput {
    /// The last 64 KiB, invalid UTF-8 replaced.
    pub output: String,
    /// When its host last sent it; absent if it never has.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<OffsetDateTime>,
}
