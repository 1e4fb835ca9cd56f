//! Projects: the owners of everything a tenant makes.

use crate::authority::Subject;
use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{Labels, Name, OrganizationId, ProjectId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// The project.
    pub id: Uuid,
    /// Owner.
    pub organization_id: Uuid,
    /// The owner's name.
    pub organization_name: String,
    /// Its name, unique in the organization.
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

/// Makes a project.
pub async fn project_insert(
    conn: &mut Conn,
    organization_id: OrganizationId,
    name: &Name,
    labels: &Labels,
) -> Result<Project> {
    Ok(sqlx::query_as!(
        Project,
        r#"INSERT INTO project (id, organization_id, name, labels) VALUES ($1, $2, $3, $4)
           RETURNING id, organization_id, owner_name(organization_id) AS "organization_name!", name, suspended_at, purging_at, labels,
                     generation, created_at"#,
        ProjectId::new().as_uuid(),
        organization_id.as_uuid(),
        name.as_str(),
        serde_json::json!(labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One project.
pub async fn project_get(conn: &mut Conn, id: ProjectId) -> Result<Option<Project>> {
    Ok(sqlx::query_as!(
        Project,
        r#"SELECT id, organization_id, owner_name(organization_id) AS "organization_name!", name, suspended_at, purging_at, labels,
                  generation, created_at FROM project WHERE id = $1"#,
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the projects that a role on them, or on an organization above them, gives a subject.
/// What somebody may see as operator or auditor of the whole system is not counted: it is not theirs.
pub async fn project_list_of(
    conn: &mut Conn,
    subject: Subject,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Project>> {
    let rows = sqlx::query_as!(
        Project,
        "WITH seen AS (
             SELECT organization_id, project_id FROM role_grant($1, $2)
             WHERE NOT is_void AND (role IS NOT NULL OR 'project.read' = ANY (permissions))
         )
         SELECT p.id, p.organization_id, o.name AS organization_name, p.name, p.suspended_at, p.purging_at, p.labels, p.generation, p.created_at
         FROM project p JOIN organization o ON o.id = p.organization_id
         WHERE (p.id IN (SELECT project_id FROM seen) OR o.ancestors && ARRAY(SELECT organization_id FROM seen))
           AND ($3::uuid IS NULL OR p.id > $3) AND ($5::text IS NULL OR p.name = $5) AND ($6::jsonb IS NULL OR p.labels @> $6)
         ORDER BY p.id LIMIT $4 + 1",
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

/// A page of an organization's projects.
pub async fn project_list(
    conn: &mut Conn,
    organization_id: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Project>> {
    let rows = sqlx::query_as!(
        Project,
        r#"SELECT id, organization_id, owner_name(organization_id) AS "organization_name!", name, suspended_at, purging_at, labels,
                  generation, created_at FROM project
           WHERE organization_id = $1 AND ($2::uuid IS NULL OR id > $2)
             AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
           ORDER BY id LIMIT $3 + 1"#,
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
pub async fn project_update(
    conn: &mut Conn,
    id: ProjectId,
    name: Option<&Name>,
    labels: Option<&Labels>,
) -> Result<Option<Project>> {
    Ok(sqlx::query_as!(
        Project,
        r#"UPDATE project SET name = coalesce($2, name), labels = coalesce($3, labels), generation = generation + 1
           WHERE id = $1 RETURNING id, organization_id, owner_name(organization_id) AS "organization_name!", name, suspended_at, purging_at,
                                   labels, generation, created_at"#,
        id.as_uuid(),
        name.map(Name::as_str),
        labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Deletes a project in which nothing is left, else [`crate::Error::InUse`]; false where there was
/// none.
pub async fn project_delete(conn: &mut Conn, id: ProjectId) -> Result<bool> {
    // Records of instances that are gone are no instances; who wants their bill keeps it elsewhere.
    sqlx::query!("DELETE FROM instance_history WHERE project_id = $1", id.as_uuid()).execute(&mut *conn).await?;
    // Its default group was made with it, and goes with it.
    sqlx::query!(
        "WITH g AS (SELECT id FROM security_group WHERE project_id = $1 AND is_default FOR UPDATE),
              rules AS (DELETE FROM security_group_rule r USING g WHERE r.security_group_id = g.id)
         DELETE FROM security_group s USING g WHERE s.id = g.id",
        id.as_uuid()
    )
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query!("DELETE FROM project WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
