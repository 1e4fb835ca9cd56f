//! Role bindings.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Gives a role to a user, a group or a service account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user_id": "0198c0de-0000-7000-8000-00000000000a", "role": "member"}))]
pub struct RoleBindingCreate {
    /// To this user,
    #[serde(default)]
    pub user_id: Option<Uuid>,
    /// or to this group,
    #[serde(default)]
    pub group_id: Option<Uuid>,
    /// or to this service account.
    #[serde(default)]
    pub service_account_id: Option<Uuid>,
    /// `operator`, `auditor`, `owner`, `admin`, `member` or `reader`,
    #[serde(default)]
    #[schema(value_type = Option<crate::words::BuiltinRole>)]
    pub role: Option<String>,
    /// or a custom role of the organization or one above it.
    #[serde(default)]
    pub custom_role_id: Option<Uuid>,
}

/// Who has which role, and where.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": "0198c0de-0000-7000-8000-00000000000e", "user_id": "0198c0de-0000-7000-8000-00000000000a",
    "role": "member", "project_id": "0198c0de-0000-7000-8000-000000000001", "created_at": "2026-11-23T08:00:00Z"}))]
pub struct RoleBinding {
    /// Its id.
    pub id: Uuid,
    /// The user who has the role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Uuid>,
    /// or the group,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Uuid>,
    /// or the service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_id: Option<Uuid>,
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
    /// When it was given.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}
