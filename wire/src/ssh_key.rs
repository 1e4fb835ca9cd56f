//! SSH keys.

use crate::fault::Faults;
use crate::{LabelMap, labels};
use iroko_model::{Labels, Name, ssh_key};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Asks for a key's record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "ama", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome"}))]
pub struct SshKeyCreate {
    /// Name, unique in the project.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// The line of the `.pub` file.
    #[schema(max_length = 4096)]
    pub public_key: String,
    /// Labels.
    #[serde(default)]
    pub labels: Option<LabelMap>,
}

impl TryFrom<SshKeyCreate> for (Name, String, Labels) {
    type Error = Faults;

    fn try_from(wire: SshKeyCreate) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let name = faults.take("/name", Name::try_from(wire.name));
        let key = faults.take("/public_key", ssh_key::parse(&wire.public_key));
        let labels = faults.take("/labels", labels(wire.labels));
        let checked = name.zip(key).zip(labels).map(|((name, key), labels)| (name, key, labels));
        faults.finish_with(checked)
    }
}

/// A public SSH key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000003", "name": "ama",
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome",
    "fingerprint": "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "labels": {}, "created_at": "2026-11-23T08:00:00Z"}))]
pub struct SshKey {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: String,
    /// The `authorized_keys` line.
    pub public_key: String,
    /// Fingerprint as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Labels.
    pub labels: LabelMap,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
