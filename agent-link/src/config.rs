//! Where the control plane is and who this host is to it.

use serde::Deserialize;
use std::path::PathBuf;

/// The `[link]` table of an agent's configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// URL of the control plane's agent link, `https://control.example:8444`.
    pub control_plane: String,
    /// Name of this host in the cluster.
    pub host_name: String,
    /// Directory of the agent's key, certificate and last desired state. Survives reboots.
    pub state_dir: PathBuf,
    /// One-time enrolment token; needed until the agent has enrolled, ignored afterwards.
    #[serde(default)]
    pub enrolment_token: Option<String>,
}
