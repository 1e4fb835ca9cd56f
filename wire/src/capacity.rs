//! What the cloud has room for, for operators.

use crate::host::Amounts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What the cloud has room for now. Hosts that were declared dead are not in it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "available": {"hosts": 8, "instances": 96, "total": {"vcpus": 512, "memory_mib": 1048576, "disk_gib": 16000},
        "used": {"vcpus": 192, "memory_mib": 393216, "disk_gib": 1920}, "free": {"vcpus": 320, "memory_mib": 655360, "disk_gib": 14080}},
    "disabled": {"hosts": 1, "instances": 12, "total": {"vcpus": 64, "memory_mib": 131072, "disk_gib": 2000},
        "used": {"vcpus": 24, "memory_mib": 49152, "disk_gib": 240}, "free": {"vcpus": 40, "memory_mib": 81920, "disk_gib": 1760}},
    "unreachable": {"hosts": 0, "instances": 0, "total": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0},
        "used": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}, "free": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}},
    "held": {"hosts": 0, "instances": 0, "total": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0},
        "used": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}, "free": {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}},
    "flavors": [{"flavor_id": "0198c0de-0000-7000-8000-000000000002", "name": "small", "x86_64": 320, "aarch64": 0}]}))]
pub struct Capacity {
    /// Hosts that take new instances.
    pub available: CapacityShare,
    /// Hosts that the operator has disabled.
    pub disabled: CapacityShare,
    /// Enabled hosts that are silent, or whose agents have not said yet what the host is.
    pub unreachable: CapacityShare,
    /// Enabled hosts that take nothing for a while: their disk is full, or they rest after failed builds.
    pub held: CapacityShare,
    /// How many more instances of each flavor get a host, each flavor by itself, by name.
    pub flavors: Vec<FlavorRoom>,
}

/// What some of the hosts have.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"hosts": 8, "instances": 96, "total": {"vcpus": 512, "memory_mib": 1048576, "disk_gib": 16000},
    "used": {"vcpus": 192, "memory_mib": 393216, "disk_gib": 1920}, "free": {"vcpus": 320, "memory_mib": 655360, "disk_gib": 14080}}))]
pub struct CapacityShare {
    /// How many hosts these are.
    pub hosts: i64,
    /// Instances on them.
    pub instances: i64,
    /// What instances may use in all.
    pub total: Amounts,
    /// What is given away.
    pub used: Amounts,
    /// The sum of what is left on each host.
    pub free: Amounts,
}

/// How many more instances of a flavor get a host.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"flavor_id": "0198c0de-0000-7000-8000-000000000002", "name": "small", "x86_64": 320, "aarch64": 0}))]
pub struct FlavorRoom {
    /// The flavor.
    pub flavor_id: Uuid,
    /// Its name.
    pub name: String,
    /// Of images for x86_64.
    pub x86_64: i64,
    /// Of images for aarch64.
    pub aarch64: i64,
}
