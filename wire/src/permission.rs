//! What somebody may do somewhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the caller may do in a project or an organization.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"permissions": ["instance.read", "instance.power"], "suspended": []}))]
pub struct Permissions {
    /// The names of the permissions, as `x-iroko-permission` of each operation names them.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub permissions: Vec<String>,
    /// Those that the caller has again once the project, and every organization above it, is resumed.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub suspended: Vec<String>,
}
