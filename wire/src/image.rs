//! Images.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::host::Architecture;
use iroko_model::image::DiskFormat;
use iroko_model::{Invalid, Labels, Name};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for an image's record; its bytes follow by `PUT .../file`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "debian-12", "disk_format": "qcow2", "architecture": "x86_64"}))]
pub struct ImageCreate {
    /// Name; need not be unique.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// `qcow2` or `raw`. The bytes are checked against it.
    #[schema(pattern = "^(qcow2|raw)$")]
    pub disk_format: String,
    /// Processor architecture of what is on it: `x86_64` (default) or `aarch64`.
    #[serde(default)]
    #[schema(pattern = "^(x86_64|aarch64)$")]
    pub architecture: Option<String>,
    /// SHA-256 the bytes must have, 64 hexadecimal digits; bytes with another are refused.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub sha256: Option<String>,
    /// Labels.
    #[serde(default)]
    #[schema(value_type = Option<iroko_model::Labels>)]
    pub labels: Option<LabelMap>,
}

/// A checked request.
#[derive(Debug)]
pub struct CheckedImage {
    /// Name.
    pub name: Name,
    /// Format.
    pub disk_format: DiskFormat,
    /// Architecture.
    pub architecture: Architecture,
    /// Wanted checksum.
    pub sha256: Option<String>,
    /// Labels.
    pub labels: Labels,
}

impl TryFrom<ImageCreate> for CheckedImage {
    type Error = Faults;

    fn try_from(wire: ImageCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let format = faults.take("/disk_format", wire.disk_format.parse());
        let architecture = faults.take("/architecture", wire.architecture.as_deref().unwrap_or("x86_64").parse());
        let sha256 = faults.take("/sha256", wire.sha256.map(sha256).transpose());
        let labels = faults.take("/labels", labels(wire.labels));
        let (Some(name), Some(disk_format), Some(architecture), Some(sha256), Some(labels)) =
            (name, format, architecture, sha256, labels)
        else {
            return faults.finish_with(None);
        };
        Ok(Self { name, disk_format, architecture, sha256, labels })
    }
}

fn sha256(text: String) -> Result<String, Invalid> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Invalid::new("sha256_form", "a SHA-256 is 64 hexadecimal digits, as sha256sum prints it"))
}

/// A disk image that instances start from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000004", "name": "debian-12", "disk_format": "qcow2",
    "architecture": "x86_64", "status": "active", "size_bytes": 345702400, "virtual_size_bytes": 3221225472u64,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "labels": {}, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct Image {
    /// Its id.
    pub id: Uuid,
    /// Its name; need not be unique.
    pub name: String,
    /// `qcow2` or `raw`.
    #[schema(pattern = "^(qcow2|raw)$")]
    pub disk_format: String,
    /// `x86_64` or `aarch64`.
    #[schema(pattern = "^(x86_64|aarch64)$")]
    pub architecture: String,
    /// `queued` (no bytes yet), `uploading` or `active`.
    #[schema(pattern = "^(queued|uploading|active)$")]
    pub status: String,
    /// Length of the bytes, once active.
    pub size_bytes: Option<i64>,
    /// Size of the disk the guest sees, once active.
    pub virtual_size_bytes: Option<i64>,
    /// SHA-256 of the bytes, lower case hexadecimal; before they came: what they must have.
    pub sha256: Option<String>,
    /// Labels.
    #[schema(value_type = iroko_model::Labels)]
    pub labels: LabelMap,
    /// When the record was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
