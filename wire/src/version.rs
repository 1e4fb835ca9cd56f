//! Which release answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The release of the process that answers. During an upgrade processes of two releases may answer in turn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"version": "0.1.0"}))]
pub struct Version {
    /// The release of the API.
    pub version: String,
}
