//! Security groups. Each project has one from the start, its default group (migration 0260).
//!
//! A change that hosts must look at is written to the outbox once, for the group, whatever the number of
//! its ports; the hub knows which hosts have ports in it.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Noun, Within};
use iroko_model::{Naming, ProjectId, SecurityGroupId};
use sqlx::FromRow;
use uuid::Uuid;

/// A security group.
#[derive(Debug, Clone, FromRow)]
pub struct SecurityGroup {
    /// What every noun has; the name is unique in the project, the generation grows with the rules, too.
    #[sqlx(flatten)]
    pub common: Common<SecurityGroupId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
    /// What answers to something allowed is allowed.
    pub stateful: bool,
    /// Made with the project.
    pub is_default: bool,
}

impl Noun for SecurityGroup {
    type Id = SecurityGroupId;
    const TABLE: &'static str = "security_group";
    const COLUMNS: &'static str = "n.project_id, n.stateful, n.is_default";

    fn common(&self) -> &Common<SecurityGroupId> {
        &self.common
    }
}

/// Makes a group without rules: nothing passes.
pub async fn security_group_insert(
    conn: &mut Conn,
    project: ProjectId,
    naming: &Naming,
    stateful: bool,
) -> Result<SecurityGroup> {
    let row = Columns::default().naming(naming)?.set("project_id", project.as_uuid())?.set("stateful", stateful)?;
    noun::insert(conn, SecurityGroupId::new(), row).await
}

/// One group of the project.
pub async fn security_group_get(
    conn: &mut Conn,
    project: ProjectId,
    id: SecurityGroupId,
) -> Result<Option<SecurityGroup>> {
    noun::get(conn, &Within::project(project), id).await
}

/// Changes a group that the caller has locked, and tells its hosts.
pub async fn security_group_update(
    conn: &mut Conn,
    id: SecurityGroupId,
    naming: &Naming,
    stateful: bool,
) -> Result<SecurityGroup> {
    let row = noun::update(&mut *conn, id, Columns::default().naming(naming)?.set("stateful", stateful)?).await?;
    sqlx::query!("INSERT INTO change (kind, object_id) VALUES ('security_group', $1)", id.as_uuid())
        .execute(conn)
        .await?;
    Ok(row)
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
pub async fn security_group_delete(conn: &mut Conn, within: &Within, id: SecurityGroupId) -> Result<bool> {
    let Some(is) = noun::lock::<SecurityGroup>(&mut *conn, within, id).await? else { return Ok(false) };
    if is.is_default {
        return Ok(false);
    }
    sqlx::query!("DELETE FROM security_group_rule WHERE security_group_id = $1", id.as_uuid())
        .execute(&mut *conn)
        .await?;
    noun::delete::<SecurityGroup>(conn, within, id).await
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
