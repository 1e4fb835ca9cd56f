//! Public SSH keys of a project. An instance copies the keys it is made with.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::{Labels, Name, ProjectId, SshKeyId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A public key.
#[derive(Debug, Clone)]
pub struct SshKey {
    /// The key's record.
    pub id: Uuid,
    /// Name, unique in the project.
    pub name: String,
    /// The `authorized_keys` line.
    pub public_key: String,
    /// `SHA256:...`, as ssh-keygen prints it.
    pub fingerprint: String,
    /// Labels.
    pub labels: Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Makes a key's record.
pub async fn ssh_key_insert(
    conn: &mut Conn,
    project_id: ProjectId,
    name: &Name,
    public_key: &str,
    fingerprint: &str,
    labels: &Labels,
) -> Result<SshKey> {
    Ok(sqlx::query_as!(
        SshKey,
        "INSERT INTO ssh_key (id, project_id, name, public_key, fingerprint, labels) VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING id, name, public_key, fingerprint, labels, created_at",
        SshKeyId::new().as_uuid(),
        project_id.as_uuid(),
        name.as_str(),
        public_key,
        fingerprint,
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One key.
pub async fn ssh_key_get(conn: &mut Conn, project_id: ProjectId, id: SshKeyId) -> Result<Option<SshKey>> {
    Ok(sqlx::query_as!(
        SshKey,
        "SELECT id, name, public_key, fingerprint, labels, created_at FROM ssh_key WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's keys.
pub async fn ssh_key_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<SshKey>> {
    let rows = sqlx::query_as!(
        SshKey,
        "SELECT id, name, public_key, fingerprint, labels, created_at FROM ssh_key
         WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2)
           AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
         ORDER BY id LIMIT $3 + 1",
        project_id.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Deletes a key's record; false where there was none.
pub async fn ssh_key_delete(conn: &mut Conn, project_id: ProjectId, id: SshKeyId) -> Result<bool> {
    let done =
        sqlx::query!("DELETE FROM ssh_key WHERE project_id = $1 AND id = $2", project_id.as_uuid(), id.as_uuid())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}
