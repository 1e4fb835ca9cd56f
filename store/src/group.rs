//! Groups of an organization's users.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Listing, Noun, Value, Within};
use crate::page::{Filter, Page, PageQuery};
use crate::user::{self, User};
use iroko_model::{GroupId, Naming, OrganizationId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

/// A group.
#[derive(Debug, Clone, FromRow)]
pub struct Group {
    /// What every noun has; the name is unique in the organization.
    #[sqlx(flatten)]
    pub common: Common<GroupId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub organization_id: OrganizationId,
}

impl Noun for Group {
    type Id = GroupId;
    const TABLE: &'static str = "account_group";
    const COLUMNS: &'static str = "n.organization_id";

    fn common(&self) -> &Common<GroupId> {
        &self.common
    }
}

/// Makes a group.
pub async fn group_insert(conn: &mut Conn, organization: OrganizationId, naming: &Naming) -> Result<Group> {
    let row = Columns::default().naming(naming)?.set("organization_id", organization.as_uuid())?;
    noun::insert(conn, GroupId::new(), row).await
}

/// One group of the organization.
pub async fn group_get(conn: &mut Conn, organization: OrganizationId, id: GroupId) -> Result<Option<Group>> {
    noun::get(conn, &Within::organization(organization), id).await
}

/// Changes what people wrote on a group that the caller has locked.
pub async fn group_update(conn: &mut Conn, id: GroupId, naming: &Naming) -> Result<Group> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
}

/// A page of a group's members. The filter's name is the log-in name.
pub async fn group_members(
    conn: &mut Conn,
    organization: OrganizationId,
    id: GroupId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<User>> {
    let by = vec![(user::BY_GROUP, Value::Id(id.as_uuid()))];
    let listing = Listing { by, ..Listing::filtered(page, filter) };
    Ok(noun::page(conn, &Within::organization(organization), &listing).await?.0)
}

/// Adds a user of the same organization; adding one who is a member is no error. False where the
/// organization has no such group or user.
pub async fn group_member_add(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: GroupId,
    user_id: UserId,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"WITH pair AS (
               SELECT g.id AS group_id, a.id AS account_id FROM account_group g JOIN account a ON a.organization_id = g.organization_id
               WHERE g.organization_id = $1 AND g.id = $2 AND a.id = $3
           ), added AS (
               INSERT INTO account_group_member (group_id, account_id) SELECT group_id, account_id FROM pair ON CONFLICT DO NOTHING
           )
           SELECT EXISTS (SELECT FROM pair) AS "found!""#,
        organization_id.as_uuid(),
        id.as_uuid(),
        user_id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}

/// Takes a member out; false where they were none.
pub async fn group_member_remove(
    conn: &mut Conn,
    organization_id: OrganizationId,
    id: GroupId,
    user_id: UserId,
) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM account_group_member m USING account_group g
         WHERE g.id = m.group_id AND g.organization_id = $1 AND g.id = $2 AND m.account_id = $3",
        organization_id.as_uuid(),
        id.as_uuid(),
        user_id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
