//! Flavors.

use crate::LabelMap;
use crate::fault::Faults;
use iroko_model::port::{PortLimits, limit};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a flavor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "small", "vcpus": 1, "memory_mib": 1024, "disk_gib": 10,
    "network_limits": {"ingress_kbit_s": 1000000, "egress_kbit_s": 1000000}}))]
pub struct FlavorCreate {
    /// Unique name, 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Virtual processors, 1 to 1024.
    #[schema(minimum = 1, maximum = 1024)]
    pub vcpus: i32,
    /// Memory in MiB, 16 to 33554432.
    #[schema(minimum = 16, maximum = 33554432)]
    pub memory_mib: i32,
    /// Disk in GiB, 1 to 1048576.
    #[schema(minimum = 1, maximum = 1048576)]
    pub disk_gib: i32,
    /// Most that each interface of a machine may carry; without it, as much as the host can.
    #[serde(default)]
    pub network_limits: Option<NetworkLimits>,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// Most that an interface may carry; what is over it is dropped. Directions are the machine's. What is left out is not limited.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ingress_kbit_s": 1000000, "egress_kbit_s": 1000000, "egress_packets_s": 100000}))]
pub struct NetworkLimits {
    /// Towards the machine, in kbit/s (1000 bits a second), 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000000)]
    pub ingress_kbit_s: Option<i32>,
    /// From the machine, in kbit/s (1000 bits a second), 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000000)]
    pub egress_kbit_s: Option<i32>,
    /// Towards the machine, in packets a second, 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000000)]
    pub ingress_packets_s: Option<i32>,
    /// From the machine, in packets a second, 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100000000)]
    pub egress_packets_s: Option<i32>,
}

impl From<PortLimits> for NetworkLimits {
    fn from(limits: PortLimits) -> Self {
        let shown = |limit: Option<u32>| limit.and_then(|limit| i32::try_from(limit).ok());
        Self {
            ingress_kbit_s: shown(limits.ingress_kbit_s),
            egress_kbit_s: shown(limits.egress_kbit_s),
            ingress_packets_s: shown(limits.ingress_packets_s),
            egress_packets_s: shown(limits.egress_packets_s),
        }
    }
}

/// Reads limits, each with its own fault.
pub fn limits(wire: NetworkLimits, faults: &mut Faults) -> PortLimits {
    let mut read = |field: &str, value: Option<i32>| {
        faults.take(&format!("/network_limits/{field}"), value.map(limit).transpose()).flatten()
    };
    PortLimits {
        ingress_kbit_s: read("ingress_kbit_s", wire.ingress_kbit_s),
        egress_kbit_s: read("egress_kbit_s", wire.egress_kbit_s),
        ingress_packets_s: read("ingress_packets_s", wire.ingress_packets_s),
        egress_packets_s: read("egress_packets_s", wire.egress_packets_s),
    }
}

/// A size an instance can have.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000002", "name": "small", "vcpus": 1, "memory_mib": 1024,
    "disk_gib": 10, "network_limits": {"ingress_kbit_s": 1000000, "egress_kbit_s": 1000000}, "labels": {}, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Flavor {
    /// Its id.
    pub id: Uuid,
    /// Its unique name.
    pub name: String,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// Most that each interface may carry.
    pub network_limits: NetworkLimits,
    /// Labels.
    pub labels: LabelMap,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
