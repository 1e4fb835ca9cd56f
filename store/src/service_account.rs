//! Programs that act for an organization.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::{Labels, Name, OrganizationId, ServiceAccountId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A service account.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// The service account.
    pub id: Uuid,
    /// Owner.
    pub organization_id: Uuid,
    /// Name, unique in the organization.
    pub name: String,
    /// When it was disabled.
    pub disabled_at: Option<OffsetDateTime>,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// What to change; what is `None` stays.
#[derive(Debug, Default)]
pub struct ServiceAccountChange<'a> {
    /// Name.
    pub name: Option<&'a Name>,
    /// Disabled or enabled.
    pub disabled: Option<bool>,
    /// Labels.
    pub labels: Option<&'a Labels>,
}

/// Makes a service account. It has no credentials yet.
pub async fn service_account_insert(
    conn: &mut Conn,
    organization_id: OrganizationId,
    name: &Name,
    labels: &Labels,
) -> Result<ServiceAccount> {
    Ok(sqlx::query_as!(
        ServiceAccount,
        "INSERT INTO service_account (id, organization_id, name, labels) VALUES ($1, $2, $3, $4)
         RETURNING id, organization_id, name, disabled_at, labels, generation, created_at",
        ServiceAccountId::new().as_uuid(),
        organization_id.as_uuid(),
        name.as_str(),
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One service account of the organization.
pub async fn service_account_get(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: ServiceAccountId,
) -> Result<Option<ServiceAccount>> {
    Ok(sqlx::query_as!(
        ServiceAccount,
        "SELECT id, organization_id, name, disabled_at, labels, generation, created_at FROM service_account
         WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the organization's service accounts.
pub async fn service_account_list(
    conn: &mut Conn,
    organization_id: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<ServiceAccount>> {
    let rows = sqlx::query_as!(
        ServiceAccount,
        "SELECT id, organization_id, name, disabled_at, labels, generation, created_at FROM service_account
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

/// Changes a service account.
pub async fn service_account_update(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: ServiceAccountId,
    change: &ServiceAccountChange<'_>,
) -> Result<Option<ServiceAccount>> {
    Ok(sqlx::query_as!(
        ServiceAccount,
        "UPDATE service_account SET name = coalesce($3, name),
             disabled_at = CASE WHEN $4::boolean IS NULL THEN disabled_at WHEN $4 THEN coalesce(disabled_at, now()) END,
             labels = coalesce($5, labels), generation = generation + 1
         WHERE organization_id = $1 AND id = $2
         RETURNING id, organization_id, name, disabled_at, labels, generation, created_at",
        organization_id.as_uuid(),
        id.as_uuid(),
        change.name.map(Name::as_str),
        change.disabled,
        change.labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes a service account, with its roles; false where there was none.
pub async fn service_account_delete(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: ServiceAccountId,
) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM service_account WHERE organization_id = $1 AND id = $2",
        organization_id.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
