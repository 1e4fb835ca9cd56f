//! What a person logs in with, and the first of them.

use crate::authority::Scope;
use crate::conn::Conn;
use crate::error::Result;
use crate::role_binding::{Holder, RoleRef, role_binding_insert};
use crate::{organization, project};
use iroko_model::{Description, Labels, Name, Naming, OrganizationId, ProjectId, Role, UserId};

/// A person who can log in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The person.
    pub id: UserId,
    /// Owner.
    pub organization_id: OrganizationId,
    /// Log-in name.
    pub username: String,
}

/// The account of this log-in name.
pub async fn account_by_username(conn: &mut Conn, username: &str) -> Result<Option<Account>> {
    Ok(sqlx::query_as!(Account, "SELECT id, organization_id, username FROM account WHERE username = $1", username)
        .fetch_optional(conn)
        .await?)
}

/// True where there is no account yet, so that bootstrap is due.
pub async fn account_none(conn: &mut Conn) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM account) AS "none!""#).fetch_one(conn).await?)
}

/// Makes the first organization, its project and who runs both and the system. The unique names make
/// a second bootstrap fail with [`crate::Error::Taken`], also when two processes try at once.
pub async fn bootstrap(
    conn: &mut Conn,
    organization: &Name,
    project: &Name,
    username: &str,
    password_hash: &str,
) -> Result<ProjectId> {
    let named =
        |name: &Name| Naming { name: name.clone(), description: Description::default(), labels: Labels::default() };
    let organization = organization::organization_insert(&mut *conn, None, &named(organization)).await?.common.id;
    let project = project::project_insert(&mut *conn, organization, &named(project)).await?.common.id;
    let user = UserId::new().as_uuid();
    sqlx::query!(
        "INSERT INTO account (id, organization_id, username, password_hash) VALUES ($1, $2, $3, $4)",
        user,
        organization.as_uuid(),
        username,
        password_hash
    )
    .execute(&mut *conn)
    .await?;
    for (role, scope) in [(Role::Operator, Scope::System), (Role::Owner, Scope::Organization(organization))] {
        role_binding_insert(&mut *conn, Holder::User(user), RoleRef::BuiltIn(role), scope).await?;
    }
    Ok(project)
}
