//! Organizations, in a tree. Nobody but their own path knows of them: names are unique among siblings.

use crate::authority::Subject;
use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Listing, Noun, Within};
use crate::page::{Filter, Page, PageQuery};
use iroko_model::{Naming, OrganizationId};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// An organization.
#[derive(Debug, Clone, FromRow)]
pub struct Organization {
    /// What every noun has; the name is unique among those with the same parent.
    #[sqlx(flatten)]
    pub common: Common<OrganizationId>,
    /// The one it is a customer of.
    pub parent_id: Option<Uuid>,
    /// When it was suspended.
    pub suspended_at: Option<OffsetDateTime>,
    /// When it was asked to be purged.
    pub purging_at: Option<OffsetDateTime>,
}

impl Noun for Organization {
    type Id = OrganizationId;
    const TABLE: &'static str = "organization";
    const COLUMNS: &'static str = "n.parent_id, n.suspended_at, n.purging_at";

    fn common(&self) -> &Common<OrganizationId> {
        &self.common
    }
}

/// Makes an organization below `parent`, or at the top.
pub async fn organization_insert(
    conn: &mut Conn,
    parent: Option<OrganizationId>,
    naming: &Naming,
) -> Result<Organization> {
    let row = Columns::default().naming(naming)?.set("parent_id", parent.map(|id| id.as_uuid()))?;
    noun::insert(conn, OrganizationId::new(), row).await
}

/// One organization.
pub async fn organization_get(conn: &mut Conn, id: OrganizationId) -> Result<Option<Organization>> {
    noun::get(conn, &Within::system(), id).await
}

/// How many organizations may stand above each other.
pub const DEPTH_MAX: i32 = 8;

/// How deep it stands, from 1 at the top.
pub async fn organization_depth(conn: &mut Conn, id: OrganizationId) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT cardinality(ancestors) AS "depth!" FROM organization WHERE id = $1"#,
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the organizations that a subject may see by its roles.
pub async fn organization_list(
    conn: &mut Conn,
    subject: Subject,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Organization>> {
    let ids = sqlx::query_scalar!(
        "WITH seen AS (
             SELECT scope, organization_id FROM role_grant($1, $2)
             WHERE NOT is_void AND scope <> 'project' AND (role IS NOT NULL OR 'organization.read' = ANY (permissions))
         )
         SELECT o.id FROM organization o
         WHERE (EXISTS (SELECT FROM seen WHERE scope = 'system') OR o.ancestors && ARRAY(SELECT organization_id FROM seen))
           AND ($3::uuid IS NULL OR o.id > $3) AND ($5::text IS NULL OR o.name = $5) AND ($6::jsonb IS NULL OR o.labels @> $6)
         ORDER BY o.id LIMIT $4 + 1",
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

/// A page of the organizations right below one.
pub async fn organization_children(
    conn: &mut Conn,
    parent: OrganizationId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Organization>> {
    let below = Within::system().below("parent_id", parent.as_uuid());
    Ok(noun::page(conn, &below, &Listing::filtered(page, filter)).await?.0)
}

/// Changes what people wrote on an organization that the caller has locked.
pub async fn organization_update(conn: &mut Conn, id: OrganizationId, naming: &Naming) -> Result<Organization> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
}

/// Deletes an organization in which nothing is left, else [`crate::Error::InUse`]; false where there
/// was none.
pub async fn organization_delete(conn: &mut Conn, id: OrganizationId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM organization WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
