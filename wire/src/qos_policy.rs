//! QoS policies.

use crate::fault::Faults;
use crate::flavor::{NetworkLimits, limits};
use crate::{LabelMap, description, labels};
use iroko_model::port::PortLimits;
use iroko_model::{Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a QoS policy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archive", "network_limits": {"egress_kbit_s": 20000}}))]
pub struct QosPolicyCreate {
    /// Name, unique in the project.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// How much each port with it may carry.
    pub network_limits: NetworkLimits,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedQosPolicy {
    /// Name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// How much each port with it may carry.
    pub limits: PortLimits,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<QosPolicyCreate> for CheckedQosPolicy {
    type Error = Faults;

    fn try_from(wire: QosPolicyCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let description = faults.take("/description", description(wire.description.unwrap_or_default()));
        let limits = limits(wire.network_limits, &mut faults);
        let labels = faults.take("/labels", labels(wire.labels));
        let checked = name.zip(description).zip(labels);
        faults.finish_with(checked.map(|((name, description), labels)| Self { name, description, limits, labels }))
    }
}

/// Changes a QoS policy; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"network_limits": {"egress_kbit_s": 50000}}))]
pub struct QosPolicyUpdate {
    /// Name, unique in the project.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub description: Option<String>,
    /// How much each port with it may carry; takes the place of all four limits there were.
    #[serde(default)]
    pub network_limits: Option<NetworkLimits>,
    /// Labels; they take the place of all there were.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

/// A checked change.
#[derive(Debug)]
pub struct CheckedQosPolicyUpdate {
    /// Name.
    pub name: Option<Name>,
    /// What it is for.
    pub description: Option<String>,
    /// How much each port with it may carry.
    pub limits: Option<PortLimits>,
    /// Labels.
    pub labels: Option<Labels>,
}

impl TryFrom<QosPolicyUpdate> for CheckedQosPolicyUpdate {
    type Error = Faults;

    fn try_from(wire: QosPolicyUpdate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", wire.name.map(Name::try_from).transpose());
        let description = faults.take("/description", wire.description.map(description).transpose());
        let limits = wire.network_limits.map(|asked| limits(asked, &mut faults));
        let labels = faults.take("/labels", wire.labels.map(Labels::try_from).transpose());
        let checked = name.zip(description).zip(labels);
        faults.finish_with(checked.map(|((name, description), labels)| Self { name, description, limits, labels }))
    }
}

/// How much ports may carry, under a name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000023", "name": "archive", "description": "",
    "network_limits": {"egress_kbit_s": 20000}, "labels": {}, "generation": 1, "created_at": "2026-11-26T08:00:00Z"}))]
pub struct QosPolicy {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How much each port with it may carry; a port's flavor may allow less.
    pub network_limits: NetworkLimits,
    /// Labels.
    pub labels: LabelMap,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
