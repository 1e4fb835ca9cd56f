//! Address sets: named lists of ranges that rules refer to, replaced as a whole.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use ipnetwork::IpNetwork;
use iroko_model::{AddressSetId, Labels, Name, ProjectId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// An address set.
#[derive(Debug, Clone)]
pub struct AddressSet {
    /// The set.
    pub id: Uuid,
    /// Name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its ranges, of both families.
    pub cidrs: Vec<IpNetwork>,
    /// Labels.
    pub labels: Value,
    /// Grows with each change.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A set as its maker wants it.
#[derive(Debug)]
pub struct NewAddressSet<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// Name.
    pub name: &'a Name,
    /// What it is for.
    pub description: &'a str,
    /// Its ranges.
    pub cidrs: &'a [IpNetwork],
    /// Labels.
    pub labels: &'a Labels,
}

/// What changes of a set; what is `None` stays.
#[derive(Debug, Default)]
pub struct AddressSetChange<'a> {
    /// Name.
    pub name: Option<&'a Name>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Its ranges, all of them.
    pub cidrs: Option<&'a [IpNetwork]>,
    /// Labels.
    pub labels: Option<&'a Labels>,
}

/// Makes a set.
pub async fn address_set_insert(conn: &mut Conn, new: &NewAddressSet<'_>) -> Result<AddressSet> {
    Ok(sqlx::query_as!(
        AddressSet,
        "INSERT INTO address_set (id, project_id, name, description, cidrs, labels) VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING id, name, description, cidrs, labels, generation, created_at",
        AddressSetId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.name.as_str(),
        new.description,
        new.cidrs as &[IpNetwork],
        serde_json::json!(new.labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One set of the project.
pub async fn address_set_get(conn: &mut Conn, project_id: ProjectId, id: AddressSetId) -> Result<Option<AddressSet>> {
    Ok(sqlx::query_as!(
        AddressSet,
        "SELECT id, name, description, cidrs, labels, generation, created_at FROM address_set WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's sets.
pub async fn address_set_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<AddressSet>> {
    let rows = sqlx::query_as!(
        AddressSet,
        "SELECT id, name, description, cidrs, labels, generation, created_at FROM address_set
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

/// Changes a set and tells the hosts with rules that refer to it.
pub async fn address_set_update(
    conn: &mut Conn,
    project_id: ProjectId,
    id: AddressSetId,
    change: &AddressSetChange<'_>,
) -> Result<Option<AddressSet>> {
    Ok(sqlx::query_as!(
        AddressSet,
        r#"WITH s AS (
               UPDATE address_set SET name = coalesce($3, name), description = coalesce($4, description),
                      cidrs = coalesce($5, cidrs), labels = coalesce($6, labels), generation = generation + 1
               WHERE project_id = $1 AND id = $2
               RETURNING id, name, description, cidrs, labels, generation, created_at
           ), told AS (
               INSERT INTO change (kind, object_id) SELECT 'address_set', id FROM s
           )
           SELECT id AS "id!", name AS "name!", description AS "description!", cidrs AS "cidrs!", labels AS "labels!",
                  generation AS "generation!", created_at AS "created_at!" FROM s"#,
        project_id.as_uuid(),
        id.as_uuid(),
        change.name.map(Name::as_str),
        change.description,
        change.cidrs as Option<&[IpNetwork]>,
        change.labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// How many security groups have rules that refer to a set.
pub async fn address_set_use(conn: &mut Conn, id: AddressSetId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(DISTINCT security_group_id) AS "groups!" FROM security_group_rule WHERE remote_address_set_id = $1"#,
        id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}

/// Deletes a set that no rule refers to, else [`crate::Error::InUse`]; false where there was none.
pub async fn address_set_delete(conn: &mut Conn, project_id: ProjectId, id: AddressSetId) -> Result<bool> {
    let done =
        sqlx::query!("DELETE FROM address_set WHERE project_id = $1 AND id = $2", project_id.as_uuid(), id.as_uuid())
            .execute(conn)
            .await?;
    Ok(done.rows_affected() == 1)
}
