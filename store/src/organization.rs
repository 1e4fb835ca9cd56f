//! Organizations, in a tree. Nobody but their own path knows of them: names are unique among siblings.

use crate::authority::Subject;
use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{Labels, Name, OrganizationId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// An organization.
#[derive(Debug, Clone)]
pub struct Organization {
    /// The organization.
    pub id: Uuid,
    /// The one it is a customer of.
    pub parent_id: Option<Uuid>,
    /// Name, unique among those with the same parent.
    pub name: String,
    /// When it was suspended.
    pub suspended_at: Option<OffsetDateTime>,
    /// When it was asked to be purged.
    pub purging_at: Option<OffsetDateTime>,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Makes an organization below `parent`, or at the top.
pub async fn organization_insert(
    conn: &mut Conn,
    parent: Option<OrganizationId>,
    name: &Name,
    labels: &Labels,
) -> Result<Organization> {
    Ok(sqlx::query_as!(
        Organization,
        "INSERT INTO organization (id, parent_id, name, labels) VALUES ($1, $2, $3, $4)
         RETURNING id, parent_id, name, suspended_at, purging_at, labels, generation, created_at",
        OrganizationId::new().as_uuid(),
        parent.map(|id| id.as_uuid()),
        name.as_str(),
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One organization.
pub async fn organization_get(conn: &mut Conn, id: OrganizationId) -> Result<Option<Organization>> {
    Ok(sqlx::query_as!(
        Organization,
        "SELECT id, parent_id, name, suspended_at, purging_at, labels, generation, created_at FROM organization WHERE id = $1",
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// How many organizations may stand above each other.
pub const DEPTH_MAX: i32 = 8;

/// How deep it stands, from 1 at the top.
pub async fn organization_depth(conn: &mut Conn, id: OrganizationId) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT cardinality(ancestors) AS "depth!" FROM organization WHERE id = $1"#,
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the organizations that a subject may see by its roles.
pub async fn organization_list(
    conn: &mut Conn,
    subject: Subject,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Organization>> {
    let rows = sqlx::query_as!(
        Organization,
        "WITH seen AS (
             SELECT scope, organization_id FROM role_grant($1, $2)
             WHERE NOT is_void AND scope <> 'project' AND (role IS NOT NULL OR 'organization.read' = ANY (permissions))
         )
         SELECT o.id, o.parent_id, o.name, o.suspended_at, o.purging_at, o.labels, o.generation, o.created_at FROM organization o
         WHERE (EXISTS (SELECT FROM seen WHERE scope = 'system') OR o.ancestors && ARRAY(SELECT organization_id FROM seen))
           AND ($3::uuid IS NULL OR o.id > $3) AND ($5::text IS NULL OR o.name = $5) AND ($6::jsonb IS NULL OR o.labels @> $6)
         ORDER BY o.id LIMIT $4 + 1",
        subject.account(),
        subject.service_account(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// A page of the organizations right below one.
pub async fn organization_children(
    conn: &mut Conn,
    parent: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Organization>> {
    let rows = sqlx::query_as!(
        Organization,
        "SELECT id, parent_id, name, suspended_at, purging_at, labels, generation, created_at FROM organization
         WHERE parent_id = $1 AND ($2::uuid IS NULL OR id > $2)
           AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
         ORDER BY id LIMIT $3 + 1",
        parent.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Renames or labels; what is `None` stays.
pub async fn organization_update(
    conn: &mut Conn,
    id: OrganizationId,
    name: Option<&Name>,
    labels: Option<&Labels>,
) -> Result<Option<Organization>> {
    Ok(sqlx::query_as!(
        Organization,
        "UPDATE organization SET name = coalesce($2, name), labels = coalesce($3, labels), generation = generation + 1
         WHERE id = $1 RETURNING id, parent_id, name, suspended_at, purging_at, labels, generation, created_at",
        id.as_uuid(),
        name.map(Name::as_str),
        labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes an organization in which nothing is left, else [`crate::Error::InUse`]; false where there
/// was none.
pub async fn organization_delete(conn: &mut Conn, id: OrganizationId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM organization WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
