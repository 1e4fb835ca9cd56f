//! Who somebody is and what they hold on a scope: one query a request, nothing remembered, so that a
//! role that was taken away or a suspension acts at once.

use crate::conn::Conn;
use crate::error::Result;
use iroko_model::role::{Grant, Held, held};
use iroko_model::{OrganizationId, Permissions, ProjectId, Role, ServiceAccountId, SessionId, UserId};
use serde::Deserialize;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

/// Somebody who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// A program.
    ServiceAccount(ServiceAccountId),
}

impl Subject {
    /// Its id.
    pub const fn id(&self) -> Uuid {
        match self {
            Self::User(id) => id.as_uuid(),
            Self::ServiceAccount(id) => id.as_uuid(),
        }
    }

    /// Kind, as in the audit log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ServiceAccount(_) => "service_account",
        }
    }

    pub(crate) fn account(self) -> Option<Uuid> {
        if let Self::User(id) = self { Some(id.as_uuid()) } else { None }
    }

    pub(crate) fn service_account(self) -> Option<Uuid> {
        if let Self::ServiceAccount(id) = self { Some(id.as_uuid()) } else { None }
    }
}

/// Where something is to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole cloud.
    System,
    /// An organization, with all below it.
    Organization(OrganizationId),
    /// A project.
    Project(ProjectId),
}

impl Scope {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Organization(_) => "organization",
            Self::Project(_) => "project",
        }
    }

    /// The organization, where it is one.
    pub fn organization_id(self) -> Option<OrganizationId> {
        if let Self::Organization(id) = self { Some(id) } else { None }
    }

    /// The project, where it is one.
    pub fn project_id(self) -> Option<ProjectId> {
        if let Self::Project(id) = self { Some(id) } else { None }
    }

    /// The project or organization.
    pub fn id(self) -> Option<Uuid> {
        self.organization().or(self.project())
    }

    pub(crate) fn organization(self) -> Option<Uuid> {
        if let Self::Organization(id) = self { Some(id.as_uuid()) } else { None }
    }

    pub(crate) fn project(self) -> Option<Uuid> {
        if let Self::Project(id) = self { Some(id.as_uuid()) } else { None }
    }
}

/// Whether somebody may act at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Good,
    /// Their account is disabled, or gone.
    Disabled,
    /// Their organization, or one above it, is suspended.
    Suspended,
}

/// The answer of [`authority`].
#[derive(Debug, Clone, Copy)]
pub struct Authority {
    /// Whether they may act at all.
    pub standing: Standing,
    /// What they may do on the scope; nothing where the scope does not exist.
    pub held: Held,
}

#[derive(Debug, Deserialize)]
struct GrantRow {
    role: Option<String>,
    permissions: Option<Vec<String>>,
    level: i32,
}

/// What a role, built in or custom, allows. A role of another release counts for nothing.
pub(crate) fn permissions_of(role: Option<&str>, custom: Option<&[String]>) -> Permissions {
    match (role, custom) {
        (Some(role), _) => role.parse::<Role>().map_or(Permissions::NONE, Role::permissions),
        (None, names) => Permissions::of_names(names.unwrap_or_default().iter().map(String::as_str)),
    }
}

/// What a subject may do on a scope.
pub async fn authority(conn: &mut Conn, subject: Subject, scope: Scope) -> Result<Authority> {
    let found = admission(conn, subject, None, scope).await?;
    Ok(found.unwrap_or(Authority { standing: Standing::Disabled, held: Held::default() }))
}

/// A session whose access token was shown, and the time it was shown at.
pub type Shown = (SessionId, OffsetDateTime);

/// Whether a person's session counts, and if so what they may do on a scope: all that is asked at every
/// request, in one statement that is planned once (migration 0120). `None`: the session has ended, or is of
/// an account that is disabled or gone. Idleness is not asked, for it ends later than any access token that
/// was given before.
pub async fn admission(
    conn: &mut Conn,
    subject: Subject,
    session: Option<Shown>,
    scope: Scope,
) -> Result<Option<Authority>> {
    let row = sqlx::query!(
        r#"SELECT disabled AS "disabled!", holds AS "holds!", suspended AS "suspended!", suspended_from,
                  grants AS "grants!: Json<Vec<GrantRow>>"
           FROM admission($1, $2, $3, $4, $5, $6)"#,
        subject.account(),
        subject.service_account(),
        scope.organization(),
        scope.project(),
        session.map(|(id, _)| id.as_uuid()),
        session.map(|(_, at)| at)
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row.filter(|row| row.holds) else { return Ok(None) };
    let standing = match (row.disabled, row.suspended) {
        (true, _) => Standing::Disabled,
        (false, true) => Standing::Suspended,
        (false, false) => Standing::Good,
    };
    let grants = row.grants.0.into_iter().map(|grant| Grant {
        permissions: permissions_of(grant.role.as_deref(), grant.permissions.as_deref()),
        level: grant.level,
    });
    Ok(Some(Authority { standing, held: held(grants, row.suspended_from) }))
}

/// A role that somebody holds, and where.
#[derive(Debug, Clone)]
pub struct HeldRole {
    /// The binding.
    pub role_binding_id: Uuid,
    /// The built-in role.
    pub role: Option<String>,
    /// Or the custom one.
    pub custom_role_id: Option<Uuid>,
    /// What it allows.
    pub permissions: Permissions,
    /// Where.
    pub scope: Scope,
    /// Suspended there.
    pub is_void: bool,
}

/// Everything a subject holds, directly or by a group.
pub async fn roles_held(conn: &mut Conn, subject: Subject) -> Result<Vec<HeldRole>> {
    let rows = sqlx::query!(
        r#"SELECT role_binding_id AS "role_binding_id!", role, custom_role_id, permissions, organization_id, project_id, is_void AS "is_void!"
           FROM role_grant($1, $2) ORDER BY 1"#,
        subject.account(),
        subject.service_account()
    )
    .fetch_all(conn)
    .await?;
    let held = rows.into_iter().map(|row| HeldRole {
        role_binding_id: row.role_binding_id,
        permissions: permissions_of(row.role.as_deref(), row.permissions.as_deref()),
        role: row.role,
        custom_role_id: row.custom_role_id,
        scope: scope_of(row.organization_id, row.project_id),
        is_void: row.is_void,
    });
    Ok(held.collect())
}

pub(crate) fn scope_of(organization: Option<Uuid>, project: Option<Uuid>) -> Scope {
    match (organization, project) {
        (Some(id), _) => Scope::Organization(id.into()),
        (None, Some(id)) => Scope::Project(id.into()),
        (None, None) => Scope::System,
    }
}

/// The scope right above: who has a say there decides on this one. `None` where it does not exist.
pub async fn scope_above(conn: &mut Conn, scope: Scope) -> Result<Option<Scope>> {
    let above = sqlx::query_scalar!(
        r#"SELECT parent_id AS "above?" FROM organization WHERE id = $1
           UNION ALL SELECT organization_id FROM project WHERE id = $2"#,
        scope.organization(),
        scope.project()
    )
    .fetch_optional(conn)
    .await?;
    Ok(above.map(|above| above.map_or(Scope::System, |id| Scope::Organization(id.into()))))
}

/// A subject by name.
#[derive(Debug, Clone)]
pub struct SubjectName {
    /// Log-in name, or the name of the service account.
    pub name: String,
    /// Owner.
    pub organization_id: Uuid,
}

/// Who a subject is.
pub async fn subject_named(conn: &mut Conn, subject: Subject) -> Result<Option<SubjectName>> {
    Ok(sqlx::query_as!(
        SubjectName,
        r#"SELECT username AS "name!", organization_id AS "organization_id!" FROM account WHERE id = $1
           UNION ALL SELECT name, organization_id FROM service_account WHERE id = $2"#,
        subject.account(),
        subject.service_account()
    )
    .fetch_optional(conn)
    .await?)
}
