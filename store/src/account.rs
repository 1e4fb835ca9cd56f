//! Organizations, projects and the people who log in.

use crate::error::Result;
use crate::tx::Conn;
use iroko_model::{Name, OrganizationId, ProjectId, UserId};
use time::OffsetDateTime;

/// A person who can log in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The person.
    pub id: UserId,
    /// Owner.
    pub organization_id: OrganizationId,
    /// Log-in name.
    pub username: String,
    /// May use `/v1/system`.
    pub is_operator: bool,
}

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// The project.
    pub id: ProjectId,
    /// Owner.
    pub organization_id: OrganizationId,
    /// Its name, unique in the organization.
    pub name: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// The account of this log-in name.
pub async fn account_by_username(conn: &mut Conn, username: &str) -> Result<Option<Account>> {
    Ok(sqlx::query_as!(
        Account,
        "SELECT id, organization_id, username, is_operator FROM account WHERE username = $1",
        username
    )
    .fetch_optional(conn)
    .await?)
}

/// True where there is no account yet, so that bootstrap is due.
pub async fn account_none(conn: &mut Conn) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM account) AS "none!""#).fetch_one(conn).await?)
}

/// Projects the account is a member of, by age.
pub async fn account_projects(conn: &mut Conn, id: UserId) -> Result<Vec<Project>> {
    Ok(sqlx::query_as!(
        Project,
        "SELECT p.id, p.organization_id, p.name, p.created_at FROM project p
         JOIN project_member m ON m.project_id = p.id WHERE m.account_id = $1 ORDER BY p.id",
        id.as_uuid()
    )
    .fetch_all(conn)
    .await?)
}

/// Makes the first organization, its project and its operator. The unique names make a second
/// bootstrap fail with [`crate::Error::Taken`], also when two processes try at once.
pub async fn bootstrap(
    conn: &mut Conn,
    organization: &Name,
    project: &Name,
    username: &str,
    password_hash: &str,
) -> Result<ProjectId> {
    let (organization_id, project_id, user_id) = (OrganizationId::new(), ProjectId::new(), UserId::new());
    sqlx::query!(
        "INSERT INTO organization (id, name) VALUES ($1, $2)",
        organization_id.as_uuid(),
        organization.as_str()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO project (id, organization_id, name) VALUES ($1, $2, $3)",
        project_id.as_uuid(),
        organization_id.as_uuid(),
        project.as_str()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO account (id, organization_id, username, password_hash, is_operator) VALUES ($1, $2, $3, $4, true)",
        user_id.as_uuid(),
        organization_id.as_uuid(),
        username,
        password_hash
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO project_member (account_id, project_id) VALUES ($1, $2)",
        user_id.as_uuid(),
        project_id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(project_id)
}
