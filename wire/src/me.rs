//! What the caller is and may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The caller.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000a", "kind": "user", "name": "ama",
    "organization_id": "0198c0de-0000-7000-8000-000000000000",
    "roles": [{"role": "reader", "organization_id": "0198c0de-0000-7000-8000-000000000000", "suspended": false,
        "permissions": ["instance.read", "image.read"]}]}))]
pub struct Me {
    /// Their id.
    pub id: Uuid,
    /// `user` or `service_account`.
    #[schema(pattern = "^(user|service_account)$")]
    pub kind: String,
    /// Log-in name, or the name of the service account.
    pub name: String,
    /// The organization they belong to.
    pub organization_id: Uuid,
    /// What they hold, directly or by a group.
    pub roles: Vec<MyRole>,
}

/// A role of the caller.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MyRole {
    /// The built-in role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::words::BuiltinRole>)]
    pub role: Option<String>,
    /// or the custom one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_role_id: Option<Uuid>,
    /// On this organization and all below it,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<Uuid>,
    /// or on this project; on the whole system where neither is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<Uuid>,
    /// It counts for nothing while the project or an organization above it is suspended.
    pub suspended: bool,
    /// What it allows, by name.
    #[schema(value_type = Vec<crate::words::Permission>)]
    pub permissions: Vec<String>,
}
