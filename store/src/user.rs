//! Users as those see them who run an organization. How they prove who they are stands in
//! [`crate::account`].

use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{Labels, OrganizationId, UserId, Username};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// The person.
    pub id: Uuid,
    /// Owner.
    pub organization_id: Uuid,
    /// Log-in name, unique over the cloud.
    pub username: String,
    /// When they were disabled.
    pub disabled_at: Option<OffsetDateTime>,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When they were made.
    pub created_at: OffsetDateTime,
}

/// Makes a user.
pub async fn user_insert(
    conn: &mut Conn,
    organization_id: OrganizationId,
    username: &Username,
    password_hash: &str,
    labels: &Labels,
) -> Result<User> {
    Ok(sqlx::query_as!(
        User,
        "INSERT INTO account (id, organization_id, username, password_hash, labels) VALUES ($1, $2, $3, $4, $5)
         RETURNING id, organization_id, username, disabled_at, labels, generation, created_at",
        UserId::new().as_uuid(),
        organization_id.as_uuid(),
        username.as_str(),
        password_hash,
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One user of the organization.
pub async fn user_get(conn: &mut Conn, organization_id: OrganizationId, id: UserId) -> Result<Option<User>> {
    Ok(sqlx::query_as!(
        User,
        "SELECT id, organization_id, username, disabled_at, labels, generation, created_at FROM account
         WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the organization's users. The filter's name is the log-in name.
pub async fn user_list(
    conn: &mut Conn,
    organization_id: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<User>> {
    let rows = sqlx::query_as!(
        User,
        "SELECT id, organization_id, username, disabled_at, labels, generation, created_at FROM account
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR id > $2)
           AND ($4::text IS NULL OR username = $4) AND ($5::jsonb IS NULL OR labels @> $5)
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

/// Disables, enables or labels; what is `None` stays.
pub async fn user_update(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: UserId,
    disabled: Option<bool>,
    labels: Option<&Labels>,
) -> Result<Option<User>> {
    Ok(sqlx::query_as!(
        User,
        "UPDATE account SET disabled_at = CASE WHEN $3::boolean IS NULL THEN disabled_at WHEN $3 THEN coalesce(disabled_at, now()) END,
             labels = coalesce($4, labels), generation = generation + 1
         WHERE organization_id = $1 AND id = $2
         RETURNING id, organization_id, username, disabled_at, labels, generation, created_at",
        organization_id.as_uuid(),
        id.as_uuid(),
        disabled,
        labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes a user, with their roles and memberships; false where there was none.
pub async fn user_delete(conn: &mut Conn, organization_id: OrganizationId, id: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM account WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
