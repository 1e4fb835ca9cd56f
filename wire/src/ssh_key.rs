//! SSH keys.

use crate::common::Common;
use crate::fault::Checked;
use iroko_model::ssh_key::PublicKey;
use iroko_model::{Description, Labels, Name, ProjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for an SSH key's record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "ama", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome"}))]
pub struct SshKeyCreate {
    /// Name, unique in the project.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// The public key, as in `authorized_keys` and in `.pub` files.
    pub public_key: PublicKey,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for SshKeyCreate {}

/// What may change of an SSH key's record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "Ama's laptop"}))]
pub struct SshKeySettings {
    /// Name, unique in the project.
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: Description,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
}

impl Checked for SshKeySettings {}

/// A public SSH key. An instance copies the keys that it is made with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-000000000003", "name": "ama", "description": "",
    "project_id": "0198c0de-0000-7000-8000-000000000003",
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ama@lome",
    "fingerprint": "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "labels": {}, "generation": 1,
    "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:00:00Z"}))]
pub struct SshKey {
    /// What every noun shows; the name is unique in the project.
    #[serde(flatten)]
    pub common: Common,
    /// Its project.
    pub project_id: ProjectId,
    /// The `authorized_keys` line.
    pub public_key: String,
    /// `SHA256:...`, as ssh-keygen prints it.
    pub fingerprint: String,
}
