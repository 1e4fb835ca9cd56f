//! Projects: the owners of everything a tenant makes.

use crate::authority::Subject;
use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Listing, Noun, Within};
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{Naming, OrganizationId, ProjectId};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// A project.
#[derive(Debug, Clone, FromRow)]
pub struct Project {
    /// What every noun has; the name is unique in the organization.
    #[sqlx(flatten)]
    pub common: Common<ProjectId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub organization_id: OrganizationId,
    /// The owner's name.
    pub organization_name: String,
    /// When it was suspended.
    pub suspended_at: Option<OffsetDateTime>,
    /// When it was asked to be purged.
    pub purging_at: Option<OffsetDateTime>,
}

impl Noun for Project {
    type Id = ProjectId;
    const TABLE: &'static str = "project";
    const COLUMNS: &'static str =
        "n.organization_id, owner_name(n.organization_id) AS organization_name, n.suspended_at, n.purging_at";

    fn common(&self) -> &Common<ProjectId> {
        &self.common
    }
}

/// Makes a project.
pub async fn project_insert(conn: &mut Conn, organization: OrganizationId, naming: &Naming) -> Result<Project> {
    let row = Columns::default().naming(naming)?.set("organization_id", organization.as_uuid())?;
    noun::insert(conn, ProjectId::new(), row).await
}

/// One project.
pub async fn project_get(conn: &mut Conn, id: ProjectId) -> Result<Option<Project>> {
    noun::get(conn, &Within::system(), id).await
}

/// A page of the projects that a role on them, or on an organization above them, gives a subject.
/// What somebody may see as operator or auditor of the whole system is not counted: it is not theirs.
pub async fn project_list_of(
    conn: &mut Conn,
    subject: Subject,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Project>> {
    let ids = sqlx::query_scalar!(
        "WITH seen AS (
             SELECT organization_id, project_id FROM role_grant($1, $2)
             WHERE NOT is_void AND (role IS NOT NULL OR 'project.read' = ANY (permissions))
         )
         SELECT p.id FROM project p JOIN organization o ON o.id = p.organization_id
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
    .fetch_all(&mut *conn)
    .await?;
    noun::rows(conn, Page::cut(ids, page, |id| *id)).await
}

/// A page of an organization's projects.
pub async fn project_list(
    conn: &mut Conn,
    organization: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Project>> {
    Ok(noun::page(conn, &Within::organization(organization), &Listing::filtered(page, filter)).await?.0)
}

/// Changes what people wrote on a project that the caller has locked.
pub async fn project_update(conn: &mut Conn, id: ProjectId, naming: &Naming) -> Result<Project> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
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
