//! Hosts that fall silent, and that come back: told by events, of the host and of each instance on it.
//!
//! That a host is unreachable follows from the time it was last heard of, and nobody writes it down. Streams of events would
//! never hear of it: here the turn is written once.

use crate::conn::Conn;
use crate::error::Result;

/// Writes the events of hosts that have fallen silent or come back since the last call. Returns how many hosts.
pub async fn silence_note(conn: &mut Conn) -> Result<u64> {
    let turned = sqlx::query_scalar!(
        r#"WITH due AS (
               SELECT host_id, kind FROM host_agent
               WHERE seen_at IS NOT NULL AND (silent_since IS NULL) = (seen_at < now() - host_lease())
               ORDER BY host_id, kind FOR NO KEY UPDATE SKIP LOCKED
           ), turned AS (
               UPDATE host_agent a SET silent_since = CASE WHEN a.silent_since IS NULL THEN now() END
               FROM due WHERE a.host_id = due.host_id AND a.kind = due.kind RETURNING a.host_id, a.kind
           ), hosts AS (
               INSERT INTO event (noun, object_id, verb, before, after)
               SELECT DISTINCT 'host', host_id, 'changed', '{"reachable": null}'::jsonb, '{"reachable": null}'::jsonb FROM turned
               RETURNING object_id
           ), instances AS (
               INSERT INTO event (noun, object_id, verb, project_id, before, after)
               SELECT 'instance', w.instance_id, 'changed', w.project_id, shown.fields, shown.fields
               FROM turned t JOIN instance_host w ON w.host_id = t.host_id AND w.role = 'home',
                    (VALUES ('{"status": null, "status_reason": null}'::jsonb)) AS shown (fields)
               WHERE t.kind = 'compute'
           )
           SELECT count(*) AS "count!" FROM hosts"#
    )
    .fetch_one(conn)
    .await?;
    Ok(turned.unsigned_abs())
}
