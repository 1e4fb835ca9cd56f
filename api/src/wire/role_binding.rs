//! Role bindings.

use crate::problem::{Faults, Problem};
use iroko_model::{Invalid, Role};
use iroko_store::role_binding::{Holder, RoleBinding as Row, RoleRef};
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
    pub role: Option<String>,
    /// or a custom role of the organization or one above it.
    #[serde(default)]
    pub custom_role_id: Option<Uuid>,
}

impl TryFrom<RoleBindingCreate> for (Holder, RoleRef) {
    type Error = Problem;

    fn try_from(wire: RoleBindingCreate) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let holder = match (wire.user_id, wire.group_id, wire.service_account_id) {
            (Some(id), None, None) => Ok(Holder::User(id)),
            (None, Some(id), None) => Ok(Holder::Group(id)),
            (None, None, Some(id)) => Ok(Holder::ServiceAccount(id)),
            _ => Err(Invalid::new("holder_one", "give exactly one of user_id, group_id and service_account_id")),
        };
        let holder = faults.take("", holder);
        let role = match (wire.role, wire.custom_role_id) {
            (Some(role), None) => faults.take("/role", role.parse::<Role>()).map(RoleRef::BuiltIn),
            (None, Some(id)) => Some(RoleRef::Custom(id)),
            _ => faults.take("", Err(Invalid::new("role_one", "give exactly one of role and custom_role_id"))),
        };
        faults.finish_with(holder.zip(role))
    }
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

impl From<Row> for RoleBinding {
    fn from(row: Row) -> Self {
        let Row {
            id, group_id, service_account_id, role, custom_role_id, organization_id, project_id, created_at, ..
        } = row;
        Self {
            id,
            user_id: row.account_id,
            group_id,
            service_account_id,
            role,
            custom_role_id,
            organization_id,
            project_id,
            created_at,
        }
    }
}
