//! Images.

use crate::common::Common;
use crate::fault::{Checked, Faults};
use iroko_model::host::Architecture;
use iroko_model::image::DiskFormat;
use iroko_model::{Description, Invalid, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for an image's record; its bytes follow by `PUT .../file`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "debian-12", "disk_format": "qcow2", "architecture": "x86_64"}))]
pub struct ImageCreate {
    /// Name; need not be unique.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// `qcow2` or `raw`. The bytes are checked against it.
    #[schema(pattern = "^(qcow2|raw)$")]
    pub disk_format: String,
    /// Processor architecture of what is on it: `x86_64` (default) or `aarch64`.
    #[serde(default = "x86_64")]
    #[schema(pattern = "^(x86_64|aarch64)$")]
    pub architecture: String,
    /// SHA-256 the bytes must have, 64 hexadecimal digits; bytes with another are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub sha256: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for ImageCreate {
    fn check(&self, faults: &mut Faults) {
        if let Some(more) = self.checked().err() {
            faults.extend(more);
        }
    }
}

fn x86_64() -> String {
    "x86_64".to_owned()
}

impl ImageCreate {
    /// Format, architecture and checksum.
    ///
    /// # Errors
    /// All that are at fault.
    pub fn checked(&self) -> Result<(DiskFormat, Architecture, Option<String>), Faults> {
        let mut faults = Faults::default();
        let format = faults.take("/disk_format", self.disk_format.parse());
        let architecture = faults.take("/architecture", self.architecture.parse());
        let checksum = faults.take("/sha256", self.sha256.clone().map(sha256).transpose());
        let checked = format.zip(architecture).zip(checksum);
        faults.finish_with(checked.map(|((format, architecture), checksum)| (format, architecture, checksum)))
    }
}

fn sha256(text: String) -> Result<String, Invalid> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Invalid::new("sha256_form", "a SHA-256 is 64 hexadecimal digits, as sha256sum prints it"))
}

/// What may change of an image. Its bytes never do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "with the patches of November"}))]
pub struct ImageSettings {
    /// Name; need not be unique.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for ImageSettings {}

/// A disk image that instances start from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000004", "name": "debian-12", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003", "disk_format": "qcow2",
    "architecture": "x86_64", "status": "active", "size_bytes": 345702400, "virtual_size_bytes": 3221225472u64,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "labels": {}, "generation": 1,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct Image {
    /// What every noun shows; the name need not be unique.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
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
}
