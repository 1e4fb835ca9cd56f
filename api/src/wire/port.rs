//! Ports.

use super::{LabelMap, label_map, labels};
use crate::problem::{Faults, Problem};
use iroko_model::port::{PortState, status};
use iroko_model::{Labels, Name, NetworkId};
use iroko_store::port::Port as Row;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a port that stands alone: its addresses are kept until it is deleted, and an instance
/// can be made with it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"network_id": "0198c0de-0000-7000-8000-000000000005", "name": "database"}))]
pub struct PortCreate {
    /// Its network.
    pub network_id: Uuid,
    /// Name; need not be unique.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<PortCreate> for (NetworkId, Name, Labels) {
    type Error = Problem;

    fn try_from(wire: PortCreate) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        faults.finish_with(name.zip(labels).map(|(name, labels)| (wire.network_id.into(), name, labels)))
    }
}

/// A place on a network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000007", "network_id": "0198c0de-0000-7000-8000-000000000005",
    "name": "database", "instance_id": null, "mac_address": "02:7c:11:22:33:44", "ip_addresses": ["10.20.0.17"],
    "status": "pending", "labels": {}, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Port {
    /// Its id.
    pub id: Uuid,
    /// Its network.
    pub network_id: Uuid,
    /// Its name; empty for ports made with an instance.
    pub name: String,
    /// The instance it is plugged into.
    pub instance_id: Option<Uuid>,
    /// Ethernet address.
    pub mac_address: String,
    /// IP addresses, IPv4 first.
    pub ip_addresses: Vec<String>,
    /// `pending` (no host yet), `building`, `active` or `error`.
    pub status: String,
    /// Why, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Labels.
    pub labels: LabelMap,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

impl From<Row> for Port {
    fn from(row: Row) -> Self {
        let observed = match row.observed_state.as_deref() {
            Some("ready") => Some(PortState::Ready),
            Some(_) => Some(PortState::Failed),
            None => None,
        };
        Self {
            id: row.id,
            network_id: row.network_id,
            name: row.name,
            instance_id: row.instance_id,
            mac_address: row.mac.to_string().to_lowercase(),
            ip_addresses: row.addresses.0.into_iter().map(|a| a.address.to_string()).collect(),
            status: status(row.bound, observed).to_owned(),
            status_reason: row.observed_reason,
            labels: label_map(&row.labels),
            created_at: row.created_at,
        }
    }
}
