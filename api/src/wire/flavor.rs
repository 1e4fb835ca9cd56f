//! Flavors.

use super::{LabelMap, label_map, labels};
use crate::problem::{Faults, Problem};
use iroko_model::{Invalid, Labels, Name};
use iroko_store::flavor::{Flavor as Row, Size};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a flavor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "small", "vcpus": 1, "memory_mib": 1024, "disk_gib": 10}))]
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
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<FlavorCreate> for (Name, Size, Labels) {
    type Error = Problem;

    fn try_from(wire: FlavorCreate) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let labels = faults.take("/labels", labels(wire.labels));
        for (pointer, value, range) in [
            ("/vcpus", wire.vcpus, 1..=1024),
            ("/memory_mib", wire.memory_mib, 16..=33_554_432),
            ("/disk_gib", wire.disk_gib, 1..=1_048_576),
        ] {
            if !range.contains(&value) {
                let text = format!("{value} is not between {} and {}", range.start(), range.end());
                faults.note(pointer, Invalid::new("size_range", text));
            }
        }
        let size = Size { vcpus: wire.vcpus, memory_mib: wire.memory_mib, disk_gib: wire.disk_gib };
        let (name, labels) = faults.finish().map(|()| name.zip(labels))?.ok_or_else(|| Problem::fields(vec![]))?;
        Ok((name, size, labels))
    }
}

/// A size an instance can have.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000002", "name": "small", "vcpus": 1, "memory_mib": 1024,
    "disk_gib": 10, "labels": {}, "created_at": "2026-11-23T08:00:00Z"}))]
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
    /// Labels.
    pub labels: LabelMap,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

impl From<Row> for Flavor {
    fn from(row: Row) -> Self {
        let labels = label_map(&row.labels);
        let Row { id, name, vcpus, memory_mib, disk_gib, created_at, .. } = row;
        Self { id, name, vcpus, memory_mib, disk_gib, labels, created_at }
    }
}
