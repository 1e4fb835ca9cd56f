//! Flavors, and how much interfaces may carry.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::port::PortLimits;
use iroko_model::{Between, Description, Labels, Name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a flavor.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "small", "vcpus": 1, "memory_mib": 1024, "disk_gib": 10,
    "network_limits": {"ingress_kbit_s": 1000000, "egress_kbit_s": 1000000}}))]
pub struct FlavorCreate {
    /// Unique name.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Virtual processors.
    pub vcpus: Between<1, 1024>,
    /// Memory in MiB.
    pub memory_mib: Between<16, 33_554_432>,
    /// Disk in GiB.
    pub disk_gib: Between<1, 1_048_576>,
    /// Most that each interface of an instance may carry; without it, as much as the host can.
    #[serde(default)]
    pub network_limits: NetworkLimits,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for FlavorCreate {}

/// What may change of a flavor. Its size never does: instances have copied it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "for small services"}))]
pub struct FlavorSettings {
    /// Unique name.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for FlavorSettings {}

/// A limit of an interface; what is left out is not limited.
pub type Limit = Between<1, { PortLimits::MOST as i64 }>;

/// Most that an interface may carry; what is over it is dropped. Directions are the instance's. What is left out is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ingress_kbit_s": 1000000, "egress_kbit_s": 1000000, "egress_packets_s": 100000}))]
pub struct NetworkLimits {
    /// Towards the instance, in kbit/s (1000 bits a second), 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_kbit_s: Option<Limit>,
    /// From the instance, in kbit/s (1000 bits a second), 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_kbit_s: Option<Limit>,
    /// Towards the instance, in packets a second, 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_packets_s: Option<Limit>,
    /// From the instance, in packets a second, 1 to 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_packets_s: Option<Limit>,
}

impl From<PortLimits> for NetworkLimits {
    fn from(limits: PortLimits) -> Self {
        let shown = |limit: Option<u32>| limit.and_then(|limit| Limit::try_from(i64::from(limit)).ok());
        Self {
            ingress_kbit_s: shown(limits.ingress_kbit_s),
            egress_kbit_s: shown(limits.egress_kbit_s),
            ingress_packets_s: shown(limits.ingress_packets_s),
            egress_packets_s: shown(limits.egress_packets_s),
        }
    }
}

impl From<NetworkLimits> for PortLimits {
    fn from(limits: NetworkLimits) -> Self {
        let read = |limit: Option<Limit>| limit.map(Limit::get_u32);
        Self {
            ingress_kbit_s: read(limits.ingress_kbit_s),
            egress_kbit_s: read(limits.egress_kbit_s),
            ingress_packets_s: read(limits.ingress_packets_s),
            egress_packets_s: read(limits.egress_packets_s),
        }
    }
}

/// A size an instance can have.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000002", "name": "small", "description": "", "vcpus": 1,
    "memory_mib": 1024, "disk_gib": 10, "network_limits": {"ingress_kbit_s": 1000000, "egress_kbit_s": 1000000}, "labels": {},
    "generation": 1, "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Flavor {
    /// What every noun shows; the name is unique.
    #[serde(flatten)]
    pub common: Common,
    /// Virtual processors.
    pub vcpus: i32,
    /// Memory in MiB.
    pub memory_mib: i32,
    /// Disk in GiB.
    pub disk_gib: i32,
    /// Most that each interface may carry.
    pub network_limits: NetworkLimits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_no_host_can_hold_are_refused() {
        let most = i64::from(PortLimits::MOST);
        assert!([1, most].into_iter().all(|value| Limit::try_from(value).is_ok()));
        for value in [i64::MIN, -1, 0, most + 1, i64::from(i32::MAX), i64::MAX] {
            assert_eq!(Limit::try_from(value).unwrap_err().rule, "value_range", "{value}");
        }
    }
}
