//! Security groups. Each project has one from the start, its default group (migration 0260).
//!
//! A change that hosts must look at is written to the outbox once, for the group, whatever the number of
//! its ports; the hub knows which hosts have ports in it.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use iroko_model::{Labels, Name, ProjectId, SecurityGroupId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A security group.
#[derive(Debug, Clone)]
pub struct SecurityGroup {
    /// The group.
    pub id: Uuid,
    /// Name, unique in the project.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What answers to something allowed is allowed.
    pub stateful: bool,
    /// Made with the project.
    pub is_default: bool,
    /// Labels.
    pub labels: Value,
    /// Grows with each change, also of its rules.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A group as its maker wants it.
#[derive(Debug)]
pub struct NewSecurityGroup<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// Name.
    pub name: &'a Name,
    /// What it is for.
    pub description: &'a str,
    /// What answers to something allowed is allowed.
    pub stateful: bool,
    /// Labels.
    pub labels: &'a Labels,
}

/// What changes of a group; what is `None` stays.
#[derive(Debug, Default)]
pub struct SecurityGroupChange<'a> {
    /// Name.
    pub name: Option<&'a Name>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// What answers to something allowed is allowed.
    pub stateful: Option<bool>,
    /// Labels.
    pub labels: Option<&'a Labels>,
}

/// Makes a group without rules: nothing passes.
pub async fn security_group_insert(conn: &mut Conn, new: &NewSecurityGroup<'_>) -> Result<SecurityGroup> {
    Ok(sqlx::query_as!(
        SecurityGroup,
        "INSERT INTO security_group (id, project_id, name, description, stateful, labels) VALUES ($1, $2, $3, $4, $5, $6)
         RETURNING id, name, description, stateful, is_default, labels, generation, created_at",
        SecurityGroupId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.name.as_str(),
        new.description,
        new.stateful,
        serde_json::json!(new.labels)
    )
    .fetch_one(conn)
    .await?)
}

/// One group of the project.
pub async fn security_group_get(
    conn: &mut Conn,
    project_id: ProjectId,
    id: SecurityGroupId,
) -> Result<Option<SecurityGroup>> {
    Ok(sqlx::query_as!(
        SecurityGroup,
        "SELECT id, name, description, stateful, is_default, labels, generation, created_at FROM security_group
         WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's groups.
pub async fn security_group_list(
    conn: &mut Conn,
    project_id: ProjectId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<SecurityGroup>> {
    let rows = sqlx::query_as!(
        SecurityGroup,
        "SELECT id, name, description, stateful, is_default, labels, generation, created_at FROM security_group
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

/// Changes a group and tells the hosts with ports in it.
pub async fn security_group_update(
    conn: &mut Conn,
    project_id: ProjectId,
    id: SecurityGroupId,
    change: &SecurityGroupChange<'_>,
) -> Result<Option<SecurityGroup>> {
    Ok(sqlx::query_as!(
        SecurityGroup,
        r#"WITH g AS (
               UPDATE security_group SET name = coalesce($3, name), description = coalesce($4, description),
                      stateful = coalesce($5, stateful), labels = coalesce($6, labels), generation = generation + 1
               WHERE project_id = $1 AND id = $2
               RETURNING id, name, description, stateful, is_default, labels, generation, created_at
           ), told AS (
               INSERT INTO change (kind, object_id) SELECT 'security_group', id FROM g
           )
           SELECT id AS "id!", name AS "name!", description AS "description!", stateful AS "stateful!",
                  is_default AS "is_default!", labels AS "labels!", generation AS "generation!", created_at AS "created_at!" FROM g"#,
        project_id.as_uuid(),
        id.as_uuid(),
        change.name.map(Name::as_str),
        change.description,
        change.stateful,
        change.labels.map(|labels| serde_json::json!(labels))
    )
    .fetch_optional(conn)
    .await?)
}

/// Who uses a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupUse {
    /// Ports in it.
    pub ports: i64,
    /// Other groups with rules that refer to it.
    pub groups: i64,
}

/// Counts who uses a group. What comes after it is for the foreign keys.
pub async fn security_group_use(conn: &mut Conn, id: SecurityGroupId) -> Result<GroupUse> {
    Ok(sqlx::query_as!(
        GroupUse,
        r#"SELECT (SELECT count(*) FROM port_security_group WHERE security_group_id = $1) AS "ports!",
                  (SELECT count(DISTINCT security_group_id) FROM security_group_rule
                   WHERE remote_group_id = $1 AND security_group_id <> $1) AS "groups!""#,
        id.as_uuid()
    )
    .fetch_one(conn)
    .await?)
}

/// Deletes a group with its rules, unless a port is in it or another group refers to it
/// ([`crate::Error::InUse`]). The default group stays. False where there was none.
pub async fn security_group_delete(conn: &mut Conn, project_id: ProjectId, id: SecurityGroupId) -> Result<bool> {
    let done = sqlx::query!(
        "WITH g AS (SELECT id FROM security_group WHERE project_id = $1 AND id = $2 AND NOT is_default FOR UPDATE),
              rules AS (DELETE FROM security_group_rule r USING g WHERE r.security_group_id = g.id)
         DELETE FROM security_group s USING g WHERE s.id = g.id",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Of these groups, those that the project has.
pub async fn security_groups_known(conn: &mut Conn, project_id: ProjectId, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM security_group WHERE project_id = $1 AND id = ANY ($2)",
        project_id.as_uuid(),
        ids
    )
    .fetch_all(conn)
    .await?)
}

/// The project's default group.
pub async fn security_group_default(conn: &mut Conn, project_id: ProjectId) -> Result<Option<Uuid>> {
    Ok(sqlx::query_scalar!("SELECT id FROM security_group WHERE project_id = $1 AND is_default", project_id.as_uuid())
        .fetch_optional(conn)
        .await?)
}
