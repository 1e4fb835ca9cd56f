//! Networks.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a network.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "archives"}))]
pub struct NetworkCreate {
    /// Name; need not be unique.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<NetworkCreate> for (Name, Labels) {
    type Error = Faults;

    fn try_from(wire: NetworkCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        faults.finish_with(name.zip(labels))
    }
}

/// A tenant network: a layer-2 segment of its own across all hosts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000005", "name": "archives", "mtu": 1450, "labels": {},
    "generation": 2, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Network {
    /// Its id.
    pub id: Uuid,
    /// Its name; need not be unique.
    pub name: String,
    /// MTU of guests, told to them by DHCP.
    pub mtu: i32,
    /// Labels.
    pub labels: LabelMap,
    /// Grows with each change, also of its subnets.
    pub generation: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
