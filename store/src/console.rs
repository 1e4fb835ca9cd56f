//! Console logs: the last tail a host sent, and the wish for a newer one.

use crate::conn::Conn;
use crate::error::Result;
use iroko_agent_wire::ConsoleLog;
use iroko_model::{HostId, InstanceId};
use time::OffsetDateTime;
use uuid::Uuid;

/// A console tail as last sent.
#[derive(Debug, Clone)]
pub struct Console {
    /// The text.
    pub tail: String,
    /// When it came, if ever.
    pub updated_at: Option<OffsetDateTime>,
}

/// Asks the instance's host for its log. False where it has no host.
pub async fn console_want(conn: &mut Conn, id: InstanceId) -> Result<bool> {
    let done = sqlx::query!(
        "INSERT INTO change (kind, object_id, host_id) SELECT 'console', instance_id, host_id FROM instance_host
         WHERE instance_id = $1 AND role = 'home'",
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What was last sent.
pub async fn console_get(conn: &mut Conn, id: InstanceId) -> Result<Option<Console>> {
    Ok(sqlx::query_as!(Console, "SELECT tail, updated_at FROM console WHERE instance_id = $1", id.as_uuid())
        .fetch_optional(conn)
        .await?)
}

/// Stores tails, of instances of this host only.
pub async fn console_store(conn: &mut Conn, host_id: HostId, logs: &[ConsoleLog]) -> Result<()> {
    let ids: Vec<Uuid> = logs.iter().map(|log| log.id.as_uuid()).collect();
    // PostgreSQL's text cannot hold NUL.
    let tails: Vec<String> = logs.iter().map(|log| log.tail.replace('\0', "")).collect();
    sqlx::query!(
        "INSERT INTO console (instance_id, tail, updated_at)
         SELECT DISTINCT ON (t.id) t.id, t.tail, now() FROM unnest($2::uuid[], $3::text[]) AS t (id, tail)
         JOIN instance_host w ON w.instance_id = t.id AND w.host_id = $1
         ON CONFLICT (instance_id) DO UPDATE SET tail = excluded.tail, updated_at = now()",
        host_id.as_uuid(),
        &ids,
        &tails
    )
    .execute(conn)
    .await?;
    Ok(())
}
