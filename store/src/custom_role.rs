//! Roles that organizations make from named permissions.

use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{CustomRoleId, Labels, Name, OrganizationId, Permissions};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A custom role.
#[derive(Debug, Clone)]
pub struct CustomRole {
    /// The role.
    pub id: Uuid,
    /// Owner. The role can be bound there and below.
    pub organization_id: Uuid,
    /// Name, unique in the organization.
    pub name: String,
    /// Names of what it allows.
    pub permissions: Vec<String>,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl CustomRole {
    /// What it allows.
    pub fn allows(&self) -> Permissions {
        Permissions::of_names(self.permissions.iter().map(String::as_str))
    }
}

/// What to change; what is `None` stays.
#[derive(Debug, Default)]
pub struct CustomRoleChange<'a> {
    /// Name.
    pub name: Option<&'a Name>,
    /// What it allows.
    pub permissions: Option<Permissions>,
    /// Labels.
    pub labels: Option<&'a Labels>,
}

fn names(permissions: Permissions) -> Vec<String> {
    permissions.names().into_iter().map(str::to_owned).collect()
}

/// Makes a role.
pub async fn custom_role_insert(
    conn: &mut Conn,
    organization_id: OrganizationId,
    name: &Name,
    permissions: Permissions,
    labels: &Labels,
) -> Result<CustomRole> {
    Ok(sqlx::query_as!(
        CustomRole,
        "INSERT INTO custom_role (id, organization_id, name, permissions, labels) VALUES ($1, $2, $3, $4, $5)
         RETURNING id, organization_id, name, permissions, labels, generation, created_at",
        CustomRoleId::new().as_uuid(),
        organization_id.as_uuid(),
        name.as_str(),
        &names(permissions),
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One role of the organization.
pub async fn custom_role_get(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: CustomRoleId,
) -> Result<Option<CustomRole>> {
    Ok(sqlx::query_as!(
        CustomRole,
        "SELECT id, organization_id, name, permissions, labels, generation, created_at FROM custom_role
         WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the organization's roles.
pub async fn custom_role_list(
    conn: &mut Conn,
    organization_id: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<CustomRole>> {
    let rows = sqlx::query_as!(
        CustomRole,
        "SELECT id, organization_id, name, permissions, labels, generation, created_at FROM custom_role
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR id > $2)
           AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
         ORDER BY id LIMIT $3 + 1",
        organization_id.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Changes a role; whoever holds it has the new permissions at once.
pub async fn custom_role_update(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: CustomRoleId,
    change: &CustomRoleChange<'_>,
) -> Result<Option<CustomRole>> {
    let permissions = change.permissions.map(names);
    Ok(sqlx::query_as!(
        CustomRole,
        "UPDATE custom_role SET name = coalesce($3, name), permissions = coalesce($4, permissions), labels = coalesce($5, labels),
             generation = generation + 1
         WHERE organization_id = $1 AND id = $2
         RETURNING id, organization_id, name, permissions, labels, generation, created_at",
        organization_id.as_uuid(),
        id.as_uuid(),
        change.name.map(Name::as_str),
        permissions.as_deref(),
        change.labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes a role that nobody holds, else [`crate::Error::InUse`]; false where there was none.
pub async fn custom_role_delete(conn: &mut Conn, organization_id: OrganizationId, id: CustomRoleId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM custom_role WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
