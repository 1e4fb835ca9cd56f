//! Role bindings, on the system, an organization or a project.

use crate::Identity;
use crate::extract::ListQuery;
use crate::service::authority::{guard_owners, may_give, still_owned};
use crate::show::Show;
use iroko_model::{Invalid, Permissions, Role, RoleBindingId};
use iroko_store::authority::Scope;
use iroko_store::role_binding::{self, Holder, Leaving, RoleRef};
use iroko_store::{Error, Tx};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::role_binding::{RoleBinding, RoleBindingCreate};

async fn begin(app: &Identity, scope: Scope) -> Result<Tx> {
    Ok(match scope {
        Scope::System => app.store.begin().await?,
        Scope::Organization(id) => app.store.begin_bound(id).await?,
        Scope::Project(id) => app.store.begin_bound(id).await?,
    })
}

/// Gives a role. `held`: what the actor may do on the scope.
pub async fn create(
    app: &Identity,
    held: Permissions,
    scope: Scope,
    request: RoleBindingCreate,
) -> Result<RoleBinding> {
    let (holder, role) = crate::show::role_binding::checked(request)?;
    let built_in = if let RoleRef::BuiltIn(role) = role { Some(role) } else { None };
    if built_in == Some(Role::Operator) && scope != Scope::System {
        let invalid = Invalid::new("role_scope", "operators are made on the system: POST /v1/system/role-bindings");
        return Err(Problem::field("/role", invalid));
    }
    let mut tx = begin(app, scope).await?;
    let allows = role_binding::role_permissions(&mut tx, scope, role).await?;
    let allows = allows.ok_or_else(|| missing("/custom_role_id", "custom role"))?;
    may_give(held, scope, built_in, allows)?;
    let row = role_binding::role_binding_insert(&mut tx, holder, role, scope).await.map_err(|error| match error {
        Error::Taken(_) => Problem::refuse(Rule::RoleBindingExists, "they have this role here already"),
        error => error.into(),
    })?;
    let row = row.ok_or_else(|| match holder {
        Holder::User(_) => missing("/user_id", "user"),
        Holder::Group(_) => missing("/group_id", "group"),
        Holder::ServiceAccount(_) => missing("/service_account_id", "service account"),
    })?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn missing(pointer: &str, what: &str) -> Problem {
    let text = format!("neither the organization nor one above it has a {what} with this id");
    Problem::field(pointer, Invalid::new("reference_not_found", text))
}

/// A page of the bindings on exactly this scope.
pub async fn list(app: &Identity, scope: Scope, query: ListQuery) -> Result<List<RoleBinding>> {
    let mut tx = begin(app, scope).await?;
    Ok(iroko_web::list(role_binding::role_binding_list(&mut tx, scope, query.page).await?, Show::show))
}

/// One binding.
pub async fn get(app: &Identity, scope: Scope, id: RoleBindingId) -> Result<RoleBinding> {
    let mut tx = begin(app, scope).await?;
    let row = role_binding::role_binding_get(&mut tx, scope, id).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Takes a role away, at once. Nobody takes what is more than their own, nor from an organization its
/// last owner.
pub async fn delete(app: &Identity, held: Permissions, scope: Scope, id: RoleBindingId) -> Result<()> {
    let mut tx = begin(app, scope).await?;
    let row = role_binding::role_binding_get(&mut tx, scope, id).await?.ok_or(Problem::new(Plain::NotFound))?;
    let built_in = row.role.as_deref().and_then(|role| role.parse().ok());
    may_give(held, scope, built_in, row.allows())?;
    let owned = guard_owners(&mut tx, Leaving::Binding(id)).await?;
    role_binding::role_binding_delete(&mut tx, id).await?;
    still_owned(&mut tx, &owned).await?;
    Ok(app.store.commit(tx).await?)
}
