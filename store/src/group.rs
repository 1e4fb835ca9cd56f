//! Groups of an organization's users.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use crate::user::User;
use iroko_model::{GroupId, Labels, Name, OrganizationId, UserId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// The group.
    pub id: Uuid,
    /// Owner.
    pub organization_id: Uuid,
    /// Name, unique in the organization.
    pub name: String,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Makes an empty group.
pub async fn group_insert(
    conn: &mut Conn,
    organization_id: OrganizationId,
    name: &Name,
    labels: &Labels,
) -> Result<Group> {
    Ok(sqlx::query_as!(
        Group,
        "INSERT INTO account_group (id, organization_id, name, labels) VALUES ($1, $2, $3, $4)
         RETURNING id, organization_id, name, labels, generation, created_at",
        GroupId::new().as_uuid(),
        organization_id.as_uuid(),
        name.as_str(),
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One group of the organization.
pub async fn group_get(conn: &mut Conn, organization_id: OrganizationId, id: GroupId) -> Result<Option<Group>> {
    Ok(sqlx::query_as!(
        Group,
        "SELECT id, organization_id, name, labels, generation, created_at FROM account_group
         WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the organization's groups.
pub async fn group_list(
    conn: &mut Conn,
    organization_id: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Group>> {
    let rows = sqlx::query_as!(
        Group,
        "SELECT id, organization_id, name, labels, generation, created_at FROM account_group
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

/// Renames or labels; what is `None` stays.
pub async fn group_update(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: GroupId,
    name: Option<&Name>,
    labels: Option<&Labels>,
) -> Result<Option<Group>> {
    Ok(sqlx::query_as!(
        Group,
        "UPDATE account_group SET name = coalesce($3, name), labels = coalesce($4, labels), generation = generation + 1
         WHERE organization_id = $1 AND id = $2
         RETURNING id, organization_id, name, labels, generation, created_at",
        organization_id.as_uuid(),
        id.as_uuid(),
        name.map(Name::as_str),
        labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes a group, with its roles; false where there was none.
pub async fn group_delete(conn: &mut Conn, organization_id: OrganizationId, id: GroupId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM account_group WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A page of a group's members. The filter's name is the log-in name.
pub async fn group_members(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: GroupId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<User>> {
    let rows = sqlx::query_as!(
        User,
        "SELECT a.id, a.organization_id, a.username, a.disabled_at, a.labels, a.generation, a.created_at
         FROM account_group g JOIN account_group_member m ON m.group_id = g.id JOIN account a ON a.id = m.account_id
         WHERE g.organization_id = $1 AND g.id = $2 AND ($3::uuid IS NULL OR a.id > $3)
           AND ($5::text IS NULL OR a.username = $5) AND ($6::jsonb IS NULL OR a.labels @> $6)
         ORDER BY a.id LIMIT $4 + 1",
        organization_id.as_uuid(),
        id.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Adds a user of the same organization; adding one who is a member is no error. False where the
/// organization has no such group or user.
pub async fn group_member_add(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: GroupId,
    user_id: UserId,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"WITH pair AS (
               SELECT g.id AS group_id, a.id AS account_id FROM account_group g JOIN account a ON a.organization_id = g.organization_id
               WHERE g.organization_id = $1 AND g.id = $2 AND a.id = $3
           ), added AS (
               INSERT INTO account_group_member (group_id, account_id) SELECT group_id, account_id FROM pair ON CONFLICT DO NOTHING
           )
           SELECT EXISTS (SELECT FROM pair) AS "found!""#,
        organization_id.as_uuid(),
        id.as_uuid(),
        user_id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}

/// Takes a member out; false where they were none.
pub async fn group_member_remove(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: GroupId,
    user_id: UserId,
) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM account_group_member m USING account_group g
         WHERE g.id = m.group_id AND g.organization_id = $1 AND g.id = $2 AND m.account_id = $3",
        organization_id.as_uuid(),
        id.as_uuid(),
        user_id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
