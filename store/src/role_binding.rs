//! Role bindings: who has which role on which scope. And the owners an organization must keep.

use crate::authority::{HeldRole, Scope, permissions_of, scope_of};
use crate::conn::Conn;
use crate::error::Result;
use crate::page::{Page, PageQuery};
use iroko_model::{GroupId, Permissions, Role, RoleBindingId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Who a role is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(Uuid),
    /// A group.
    Group(Uuid),
    /// A service account.
    ServiceAccount(Uuid),
}

/// Which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleRef {
    /// One of the built-in ones.
    BuiltIn(Role),
    /// A custom one.
    Custom(Uuid),
}

/// A binding.
#[derive(Debug, Clone)]
pub struct RoleBinding {
    /// The binding.
    pub id: Uuid,
    /// The user who holds the role.
    pub account_id: Option<Uuid>,
    /// Or the group.
    pub group_id: Option<Uuid>,
    /// Or the service account.
    pub service_account_id: Option<Uuid>,
    /// The built-in role.
    pub role: Option<String>,
    /// Or the custom one.
    pub custom_role_id: Option<Uuid>,
    /// What the custom one allows.
    pub permissions: Option<Vec<String>>,
    /// On this organization and all below it.
    pub organization_id: Option<Uuid>,
    /// Or on this project.
    pub project_id: Option<Uuid>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl RoleBinding {
    /// What it allows.
    pub fn allows(&self) -> Permissions {
        permissions_of(self.role.as_deref(), self.permissions.as_deref())
    }
}

/// What a role allows that may be bound on a scope: a custom one must be of the scope's organization
/// or of one above it. `None` where there is no such role.
pub async fn role_permissions(conn: &mut Conn, scope: Scope, role: RoleRef) -> Result<Option<Permissions>> {
    let custom = match role {
        RoleRef::BuiltIn(role) => return Ok(Some(role.permissions())),
        RoleRef::Custom(id) => id,
    };
    let names = sqlx::query_scalar!(
        "SELECT permissions FROM custom_role WHERE id = $1 AND organization_id = ANY (path_to($2, $3))",
        custom,
        scope.organization(),
        scope.project()
    )
    .fetch_optional(conn)
    .await?;
    Ok(names.map(|names| permissions_of(None, Some(&names))))
}

/// Binds a role. `None` where the holder is not of the scope's organization or one above it.
pub async fn role_binding_insert(
    conn: &mut Conn,
    holder: Holder,
    role: RoleRef,
    scope: Scope,
) -> Result<Option<RoleBinding>> {
    let (account, group, service_account) = match holder {
        Holder::User(id) => (Some(id), None, None),
        Holder::Group(id) => (None, Some(id), None),
        Holder::ServiceAccount(id) => (None, None, Some(id)),
    };
    let (built_in, custom) = match role {
        RoleRef::BuiltIn(role) => (Some(role.as_str()), None),
        RoleRef::Custom(id) => (None, Some(id)),
    };
    Ok(sqlx::query_as!(
        RoleBinding,
        r#"INSERT INTO role_binding (id, account_id, group_id, service_account_id, role, custom_role_id, scope, organization_id, project_id)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
           FROM home_of($2, $3, $4) AS home WHERE home IS NOT NULL AND ($7 = 'system' OR home = ANY (path_to($8, $9)))
           RETURNING id, account_id, group_id, service_account_id, role, custom_role_id, organization_id, project_id, created_at,
                     (SELECT c.permissions FROM custom_role c WHERE c.id = custom_role_id) AS permissions"#,
        RoleBindingId::new().as_uuid(),
        account,
        group,
        service_account,
        built_in,
        custom,
        scope.word(),
        scope.organization(),
        scope.project()
    )
    .fetch_optional(conn)
    .await?)
}

/// One binding on exactly this scope.
pub async fn role_binding_get(conn: &mut Conn, scope: Scope, id: RoleBindingId) -> Result<Option<RoleBinding>> {
    Ok(sqlx::query_as!(
        RoleBinding,
        r#"SELECT b.id, b.account_id, b.group_id, b.service_account_id, b.role, b.custom_role_id, b.organization_id, b.project_id,
                  b.created_at, c.permissions AS "permissions?"
           FROM role_binding b LEFT JOIN custom_role c ON c.id = b.custom_role_id
           WHERE b.id = $1 AND b.scope = $2 AND b.organization_id IS NOT DISTINCT FROM $3 AND b.project_id IS NOT DISTINCT FROM $4"#,
        id.as_uuid(),
        scope.word(),
        scope.organization(),
        scope.project()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the bindings on exactly this scope.
pub async fn role_binding_list(conn: &mut Conn, scope: Scope, page: PageQuery) -> Result<Page<RoleBinding>> {
    let rows = sqlx::query_as!(
        RoleBinding,
        r#"SELECT b.id, b.account_id, b.group_id, b.service_account_id, b.role, b.custom_role_id, b.organization_id, b.project_id,
                  b.created_at, c.permissions AS "permissions?"
           FROM role_binding b LEFT JOIN custom_role c ON c.id = b.custom_role_id
           WHERE b.scope = $1 AND ($2::uuid IS NULL OR b.organization_id = $2) AND ($3::uuid IS NULL OR b.project_id = $3)
             AND ($4::uuid IS NULL OR b.id > $4) ORDER BY b.id LIMIT $5 + 1"#,
        scope.word(),
        scope.organization(),
        scope.project(),
        page.after,
        page.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Takes a role away; false where there was no such binding.
pub async fn role_binding_delete(conn: &mut Conn, id: RoleBindingId) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM role_binding WHERE id = $1", id.as_uuid()).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}

/// Everything a group holds.
pub async fn roles_of_group(conn: &mut Conn, id: GroupId) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query!(
        r#"SELECT role_binding_id AS "id!", role, custom_role_id, permissions, organization_id, project_id FROM group_grant($1)"#,
        id.as_uuid()
    )
    .fetch_all(conn)
    .await?;
    let held = rows.into_iter().map(|row| HeldRole {
        role_binding_id: row.id,
        permissions: permissions_of(row.role.as_deref(), row.permissions.as_deref()),
        role: row.role,
        custom_role_id: row.custom_role_id,
        scope: scope_of(row.organization_id, row.project_id),
        is_void: false,
    });
    Ok(held.collect())
}

/// What is about to lose its hold.
#[derive(Debug, Clone, Copy)]
pub enum Leaving {
    /// A user, from all they have.
    User(UserId),
    /// A group, from all it has.
    Group(GroupId),
    /// One binding.
    Binding(RoleBindingId),
}

/// Locks the organizations that have an owner and could lose the last one, so that two owners who
/// leave at once take turns.
pub async fn owned_lock(conn: &mut Conn, leaving: Leaving) -> Result<Vec<Uuid>> {
    let (user, group, binding) = match leaving {
        Leaving::User(id) => (Some(id.as_uuid()), None, None),
        Leaving::Group(id) => (None, Some(id.as_uuid()), None),
        Leaving::Binding(id) => (None, None, Some(id.as_uuid())),
    };
    let locked = sqlx::query_scalar!(r#"SELECT owned_lock($1, $2, $3) AS "id!""#, user, group, binding)
        .fetch_all(&mut *conn)
        .await?;
    // A statement of its own: it must see what others committed while this one waited for the lock.
    let unowned = unowned(conn, &locked).await?;
    Ok(locked.into_iter().filter(|id| !unowned.contains(id)).collect())
}

/// Which of these organizations have no owner who can log in.
pub async fn unowned(conn: &mut Conn, organizations: &[Uuid]) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(r#"SELECT unowned($1) AS "id!""#, organizations).fetch_all(conn).await?)
}
