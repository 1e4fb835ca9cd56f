//! What happened to the things of a project, an organization or the system, in order: written by triggers in the
//! transaction that changed them, read by those who follow.

use crate::authority::Scope;
use crate::conn::Conn;
use crate::error::Result;
use iroko_model::{OrganizationId, ProjectId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Something happened to an object.
#[derive(Debug, Clone)]
pub struct Event {
    /// Where it stands in the order: number of its transaction.
    pub revision: i64,
    /// And place within it.
    pub seq: i64,
    /// What kind of object.
    pub noun: String,
    /// Which one.
    pub object_id: Uuid,
    /// `created`, `changed` or `deleted`.
    pub verb: String,
    /// Of a change the columns that differ, as they were.
    pub before: Option<Value>,
    /// As they are now.
    pub after: Option<Value>,
    /// When.
    pub created_at: OffsetDateTime,
}

/// Up to `limit` events of a project after the place `after`. Those of transactions still running, and all
/// later ones, are left for the next call, so that none is missed.
pub async fn event_tail(conn: &mut Conn, project_id: ProjectId, after: (i64, i64), limit: i64) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        "SELECT revision, seq, noun, object_id, verb, before, after, created_at FROM event
         WHERE project_id = $1 AND (revision, seq) > ($2, $3)
           AND revision < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
         ORDER BY revision, seq LIMIT $4",
        project_id.as_uuid(),
        after.0,
        after.1,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// As [`event_tail`], of an organization: its people and its list of projects, but nothing that a project owns.
pub async fn event_tail_of_organization(
    conn: &mut Conn,
    organization_id: OrganizationId,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        "SELECT revision, seq, noun, object_id, verb, before, after, created_at FROM event
         WHERE organization_id = $1 AND (revision, seq) > ($2, $3)
           AND revision < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
         ORDER BY revision, seq LIMIT $4",
        organization_id.as_uuid(),
        after.0,
        after.1,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// As [`event_tail`], of the system: what is nobody's, and all organizations.
pub async fn event_tail_of_system(conn: &mut Conn, after: (i64, i64), limit: i64) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        "SELECT revision, seq, noun, object_id, verb, before, after, created_at FROM event
         WHERE project_id IS NULL AND (organization_id IS NULL OR noun = 'organization') AND (revision, seq) > ($1, $2)
           AND revision < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
         ORDER BY revision, seq LIMIT $3",
        after.0,
        after.1,
        limit
    )
    .fetch_all(conn)
    .await?)
}

/// Which projects and organizations have events of transactions after a number, and whether the system has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Ask with it the next time. All transactions up to it have ended.
    pub after: i64,
    /// Where. A scope may be named twice.
    pub scopes: Vec<Scope>,
}

/// Who has events of transactions after number `after`. Those of transactions still running, and all later ones, are left
/// for the next call.
pub async fn event_news(conn: &mut Conn, after: i64) -> Result<News> {
    let rows = sqlx::query!(
        r#"SELECT project_id, organization_id, bool_or(noun = 'organization') AS "names_organization!",
                  max(revision) AS "revision!" FROM event
           WHERE revision > $1 AND revision < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
           GROUP BY project_id, organization_id"#,
        after
    )
    .fetch_all(conn)
    .await?;
    let newest = rows.iter().map(|row| row.revision).max().unwrap_or(after);
    let scopes = rows.into_iter().flat_map(|row| {
        let is_of_system = row.project_id.is_none() && (row.organization_id.is_none() || row.names_organization);
        let owners = [
            row.project_id.map(|id| Scope::Project(id.into())),
            row.organization_id.map(|id| Scope::Organization(id.into())),
            is_of_system.then_some(Scope::System),
        ];
        owners.into_iter().flatten()
    });
    Ok(News { after: newest, scopes: scopes.collect() })
}

/// The place of the newest event, after which a follower begins. One that stands in the database: numbers of
/// transactions that wrote nothing can come again after a crash.
pub async fn event_now(conn: &mut Conn) -> Result<(i64, i64)> {
    let newest = sqlx::query!(
        "SELECT revision, seq FROM event WHERE revision < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
         ORDER BY revision DESC, seq DESC LIMIT 1"
    );
    Ok(newest.fetch_optional(conn).await?.map_or((0, 0), |row| (row.revision, row.seq)))
}

/// True where events after this place may have been thrown away.
pub async fn event_is_trimmed(conn: &mut Conn, after: (i64, i64)) -> Result<bool> {
    let oldest = sqlx::query_scalar!("SELECT min(revision) FROM event").fetch_one(conn).await?;
    Ok(oldest.is_some_and(|oldest| oldest > after.0 + 1) && after.0 > 0)
}

/// Throws away events older than `keep_s` seconds, at most `at_most` in one call; the newest stays.
/// Returns how many.
pub async fn event_trim(conn: &mut Conn, keep_s: f64, at_most: i64) -> Result<u64> {
    let done = sqlx::query!(
        // Reads no more than it may delete: from the oldest on, up to the first that is kept.
        "WITH oldest AS (
             SELECT revision, seq, created_at FROM event ORDER BY revision, seq LIMIT $2
         ), kept AS (
             SELECT least(min(revision) FILTER (WHERE created_at >= now() - make_interval(secs => $1)),
                          (SELECT max(revision) FROM event)) AS revision FROM oldest
         )
         DELETE FROM event e USING oldest o, kept k WHERE o.revision < k.revision AND e.revision = o.revision AND e.seq = o.seq",
        keep_s,
        at_most
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
