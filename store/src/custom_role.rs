//! Roles that organizations make from named permissions.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Noun};
use iroko_model::{CustomRoleId, Naming, OrganizationId, Permissions};
use sqlx::FromRow;
use uuid::Uuid;

/// A custom role.
#[derive(Debug, Clone, FromRow)]
pub struct CustomRole {
    /// What every noun has; the name is unique in the organization.
    #[sqlx(flatten)]
    pub common: Common<CustomRoleId>,
    /// Owner. The role can be bound there and below.
    #[sqlx(try_from = "Uuid")]
    pub organization_id: OrganizationId,
    /// Names of what it allows.
    pub permissions: Vec<String>,
}

impl Noun for CustomRole {
    type Id = CustomRoleId;
    const TABLE: &'static str = "custom_role";
    const COLUMNS: &'static str = "n.organization_id, n.permissions";

    fn common(&self) -> &Common<CustomRoleId> {
        &self.common
    }
}

impl CustomRole {
    /// What it allows.
    pub fn allows(&self) -> Permissions {
        Permissions::of_names(self.permissions.iter().map(String::as_str))
    }
}

fn names(allows: Permissions) -> Vec<String> {
    allows.names().into_iter().map(str::to_owned).collect()
}

/// Makes a role.
pub async fn custom_role_insert(
    conn: &mut Conn,
    organization: OrganizationId,
    naming: &Naming,
    allows: Permissions,
) -> Result<CustomRole> {
    let row = Columns::default().naming(naming)?.set("permissions", names(allows))?;
    let row = row.set("organization_id", organization.as_uuid())?;
    noun::insert(conn, CustomRoleId::new(), row).await
}

/// Changes a role that the caller has locked; whoever holds it has the new permissions at once. Without any the names there
/// are stay, those of a newer release among them.
pub async fn custom_role_update(
    conn: &mut Conn,
    id: CustomRoleId,
    naming: &Naming,
    allows: Option<Permissions>,
) -> Result<CustomRole> {
    let row = Columns::default().naming(naming)?;
    let row = match allows {
        Some(allows) => row.set("permissions", names(allows))?,
        None => row,
    };
    noun::update(conn, id, row).await
}
