//! Custom roles. A role is never more than what its maker may do.

use crate::Identity;
use crate::extract::{InOrganization, ListQuery};
use crate::service::authority::has_all;
use crate::show::Show;
use iroko_model::{CustomRoleId, OrganizationId};
use iroko_store::Error;
use iroko_store::custom_role::{self, CustomRoleChange};
use iroko_store::request::{Noun, check_generation};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::role::{CheckedChange, CheckedRole, CustomRole, RoleCreate, RoleUpdate};

/// Makes a role.
pub async fn create(app: &Identity, within: &InOrganization, request: RoleCreate) -> Result<CustomRole> {
    let organization = within.organization;
    let CheckedRole { name, permissions, labels } = request.try_into()?;
    has_all(within.held, permissions)?;
    let mut tx = app.store.begin_bound(organization).await?;
    let row = custom_role::custom_role_insert(&mut tx, organization, &name, permissions, &labels).await;
    let row = row.map_err(refused)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn refused(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            Problem::refuse(Rule::NameTaken, "another role of the organization has this name; choose another")
        }
        Error::InUse(_) => Problem::refuse(Rule::InUse, "somebody has the role; delete its role bindings first"),
        error => error.into(),
    }
}

/// A page of roles.
pub async fn list(app: &Identity, organization: OrganizationId, query: ListQuery) -> Result<List<CustomRole>> {
    let mut tx = app.store.begin_bound(organization).await?;
    let page = custom_role::custom_role_list(&mut tx, organization, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// One role.
pub async fn get(app: &Identity, organization: OrganizationId, id: CustomRoleId) -> Result<CustomRole> {
    let mut tx = app.store.begin_bound(organization).await?;
    let row = custom_role::custom_role_get(&mut tx, organization, id).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Changes a role. The actor must have all that it allowed, and all that it will.
pub async fn update(
    app: &Identity,
    within: &InOrganization,
    id: CustomRoleId,
    request: RoleUpdate,
) -> Result<CustomRole> {
    let organization = within.organization;
    let CheckedChange { name, permissions, labels } = request.try_into()?;
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::Role, id.as_uuid()).await?;
    let before = custom_role::custom_role_get(&mut tx, organization, id).await?;
    let before = before.ok_or(Problem::new(Plain::NotFound))?;
    if let Some(permissions) = permissions {
        has_all(within.held, before.allows().union(permissions))?;
    }
    let change = CustomRoleChange { name: name.as_ref(), permissions, labels: labels.as_ref() };
    let row = custom_role::custom_role_update(&mut tx, organization, id, &change).await.map_err(refused)?;
    app.store.commit(tx).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Deletes a role that nobody has.
pub async fn delete(app: &Identity, organization: OrganizationId, id: CustomRoleId) -> Result<()> {
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::Role, id.as_uuid()).await?;
    match custom_role::custom_role_delete(&mut tx, organization, id).await {
        Ok(true) => Ok(app.store.commit(tx).await?),
        Ok(false) => Err(Problem::new(Plain::NotFound)),
        Err(error) => Err(refused(error)),
    }
}
