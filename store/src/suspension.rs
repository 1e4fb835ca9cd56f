//! Suspending, and taking apart what is purged.
//!
//! ```text
//!   active <──resume── suspended            purging ──> gone
//!      └────suspend──────^  └────purge────────^
//! ```
//!
//! A purge is level-triggered: a pass takes what can be taken now, whatever others did before or died
//! over, and leaves the rest for the next one. Instances are asked to go as by their owner; what they
//! hold is taken once their hosts have said that nothing is left of them. What a project or an organization owns, and in which
//! order it goes, is registered in the schema (`store/migrations/0030_registration.sql`).

use crate::authority::{Scope, Subject};
use crate::conn::Conn;
use crate::error::Result;
use crate::instance::instance_finish_delete;
use uuid::Uuid;

/// Suspends or resumes. False where nothing changes: it is so already, is being purged, or does not exist.
pub async fn suspension_set(conn: &mut Conn, scope: Scope, suspend: bool) -> Result<bool> {
    let changed = sqlx::query_scalar!(
        r#"WITH o AS (
               UPDATE organization SET suspended_at = CASE WHEN $3 THEN now() END, generation = generation + 1
               WHERE id = $1 AND purging_at IS NULL AND (suspended_at IS NULL) = $3 RETURNING 1
           ), p AS (
               UPDATE project SET suspended_at = CASE WHEN $3 THEN now() END, generation = generation + 1
               WHERE id = $2 AND purging_at IS NULL AND (suspended_at IS NULL) = $3 RETURNING 1
           )
           SELECT EXISTS (SELECT FROM o) OR EXISTS (SELECT FROM p) AS "changed!""#,
        scope.organization(),
        scope.project(),
        suspend
    )
    .fetch_one(&mut *conn)
    .await?;
    if changed {
        tell_machines(conn, scope).await?;
    }
    Ok(changed)
}

/// True where a subject belongs to the organization, or to one below it.
pub async fn is_home_of(conn: &mut Conn, scope: Scope, subject: Subject) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM organization WHERE id = home_of($2, NULL, $3) AND $1::uuid = ANY (ancestors)) AS "home!""#,
        scope.organization(),
        subject.account(),
        subject.service_account()
    )
    .fetch_one(conn)
    .await?)
}

/// Lets the hosts look again at every instance that is wanted running, and the scheduler at those that
/// wait: what they are told has changed, not what their owner wants.
async fn tell_machines(conn: &mut Conn, scope: Scope) -> Result<()> {
    sqlx::query!(
        "WITH touched AS (
             UPDATE instance i SET generation = i.generation + 1,
                    placement_after = CASE WHEN i.placement_after IS NOT NULL THEN now() END
             FROM project p JOIN organization o ON o.id = p.organization_id
             WHERE i.project_id = p.id AND (p.id = $2 OR o.ancestors @> ARRAY[$1]::uuid[]) AND i.power = 'running'
             RETURNING i.id
         )
         INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM touched, instance_hosts(id) AS h",
        scope.organization(),
        scope.project()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Begins a purge; asking again is no error. False where there is no such thing.
pub async fn purge_begin(conn: &mut Conn, scope: Scope) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"WITH o AS (
               UPDATE organization SET suspended_at = coalesce(suspended_at, now()), purging_at = coalesce(purging_at, now()),
                      generation = generation + 1 WHERE id = $1 RETURNING 1
           ), p AS (
               UPDATE project SET suspended_at = coalesce(suspended_at, now()), purging_at = coalesce(purging_at, now()),
                      generation = generation + 1 WHERE id = $2 RETURNING 1
           )
           SELECT EXISTS (SELECT FROM o) OR EXISTS (SELECT FROM p) AS "found!""#,
        scope.organization(),
        scope.project()
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// What still is in an organization or a project, in words with numbers.
pub async fn left_in(conn: &mut Conn, scope: Scope) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"SELECT plural AS "plural!", number AS "number!" FROM (
               SELECT 'organizations below it' AS plural, count(*) AS number FROM organization WHERE parent_id = $1
               UNION ALL SELECT * FROM left_in('organization', $1) UNION ALL SELECT * FROM left_in('project', $2)
           ) AS things WHERE number > 0"#,
        scope.organization(),
        scope.project()
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| format!("{} {}", row.number, row.plural)).collect())
}

/// A purge reaches everything below it, and asks its instances to go, at most `at_most` in one call.
/// Returns how much it changed.
pub async fn purge_spread(conn: &mut Conn, at_most: i64) -> Result<u64> {
    let organizations = sqlx::query!(
        "UPDATE organization o SET suspended_at = coalesce(o.suspended_at, now()), purging_at = now() WHERE o.purging_at IS NULL
         AND EXISTS (SELECT FROM organization above WHERE above.purging_at IS NOT NULL AND above.id = ANY (o.ancestors))"
    )
    .execute(&mut *conn)
    .await?;
    let projects = sqlx::query!(
        "UPDATE project p SET suspended_at = coalesce(p.suspended_at, now()), purging_at = now() FROM organization o
         WHERE o.id = p.organization_id AND o.purging_at IS NOT NULL AND p.purging_at IS NULL"
    )
    .execute(&mut *conn)
    .await?;
    let machines = sqlx::query!(
        r#"WITH going AS (
               SELECT i.id FROM instance i JOIN project p ON p.id = i.project_id
               WHERE p.purging_at IS NOT NULL AND i.power <> 'deleted' LIMIT $1 FOR NO KEY UPDATE OF i SKIP LOCKED
           ), changed AS (
               UPDATE instance i SET power = 'deleted', generation = i.generation + 1 FROM going WHERE i.id = going.id
               RETURNING i.id
           ), told AS (
               INSERT INTO change (kind, object_id, host_id) SELECT 'instance', id, h FROM changed, instance_hosts(id) AS h
           )
           SELECT id, NOT EXISTS (SELECT FROM instance_hosts(id)) AS "homeless!" FROM changed"#,
        at_most
    )
    .fetch_all(&mut *conn)
    .await?;
    let homeless: Vec<Uuid> = machines.iter().filter(|row| row.homeless).map(|row| row.id).collect();
    if !homeless.is_empty() {
        instance_finish_delete(conn, &homeless).await?;
    }
    Ok(organizations.rows_affected() + projects.rows_affected() + machines.len() as u64)
}

/// Projects and organizations that are being purged and in which nothing is that others must end first.
pub async fn purge_due(conn: &mut Conn, at_most: i64) -> Result<Vec<Scope>> {
    let projects = sqlx::query_scalar!(
        "SELECT p.id FROM project p WHERE p.purging_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM instance i WHERE i.project_id = p.id) ORDER BY p.purging_at LIMIT $1",
        at_most
    )
    .fetch_all(&mut *conn)
    .await?;
    let organizations = sqlx::query_scalar!(
        "SELECT o.id FROM organization o WHERE o.purging_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM organization b WHERE b.parent_id = o.id)
         AND NOT EXISTS (SELECT FROM project p WHERE p.organization_id = o.id) ORDER BY o.purging_at LIMIT $1",
        at_most
    )
    .fetch_all(conn)
    .await?;
    let projects = projects.into_iter().map(|id| Scope::Project(id.into()));
    Ok(projects.chain(organizations.into_iter().map(|id| Scope::Organization(id.into()))).collect())
}

/// Removes a project with all records of what was in it; its instances are gone. Needs a transaction.
pub async fn project_remove(conn: &mut Conn, id: Uuid) -> Result<bool> {
    sqlx::query!("SELECT purge_owned('project', $1)", id).execute(&mut *conn).await?;
    let done = sqlx::query!("DELETE FROM project WHERE id = $1", id).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Removes an organization with its people and roles; its projects are gone. Needs a transaction.
pub async fn organization_remove(conn: &mut Conn, id: Uuid) -> Result<bool> {
    // Its roles may be bound elsewhere, above it.
    sqlx::query!(
        "DELETE FROM role_binding b USING custom_role r WHERE r.id = b.custom_role_id AND r.organization_id = $1",
        id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("SELECT purge_owned('organization', $1)", id).execute(&mut *conn).await?;
    let done = sqlx::query!("DELETE FROM organization WHERE id = $1", id).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
