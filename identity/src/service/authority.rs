//! Nobody gives, takes or changes what is more than their own: whoever acts on a role, or on somebody
//! who has one, must have all of it themselves, where it is bound.

use crate::auth::policy;
use crate::extract::Actor;
use iroko_model::{Permissions, Role};
use iroko_store::Tx;
use iroko_store::authority::{HeldRole, Scope, Subject, authority, roles_held};
use iroko_store::role_binding::{Leaving, owned_lock, unowned};
use iroko_web::problem::{Problem, Result, Rule};
use uuid::Uuid;

/// The actor has all of `wanted`, given what they hold.
pub fn has_all(held: Permissions, wanted: Permissions) -> Result<()> {
    wanted.minus(held).iter().next().map_or(Ok(()), |missing| Err(policy::forbidden(missing)))
}

/// The actor may give or take this role on the scope. On the system only operators and auditors are
/// made, by operators.
pub fn may_give(held: Permissions, scope: Scope, role: Option<Role>, allows: Permissions) -> Result<()> {
    match (scope, role) {
        (Scope::System, Some(Role::Operator | Role::Auditor)) => Ok(()),
        (Scope::System, _) => Err(Problem::refuse(
            Rule::RoleNotForSystem,
            "on the system there are only operators and auditors; give other roles on an organization or project",
        )),
        _ => has_all(held, allows),
    }
}

/// The actor has, on each scope, all that these roles give there.
pub async fn outranks(conn: &mut Tx, actor: &Actor, roles: &[HeldRole]) -> Result<()> {
    for role in roles {
        let held = actor.restrict(authority(conn, actor.subject, role.scope).await?.held);
        let built_in = role.role.as_deref().and_then(|role| role.parse().ok());
        // Suspended ones may be resumed: what is held there counts as before.
        let held = held.permissions.union(held.suspended);
        if role.scope == Scope::System {
            has_all(held, Permissions::of(&[iroko_model::Permission::RoleBindingCreate]))?;
        }
        may_give(held, role.scope, built_in, role.permissions)?;
    }
    Ok(())
}

/// The actor has all that somebody else has. Everybody has all that they have themselves, but by a
/// restricted key.
pub async fn outranks_subject(conn: &mut Tx, actor: &Actor, other: Subject) -> Result<()> {
    if actor.subject == other && actor.only.is_none() {
        return Ok(());
    }
    let roles = roles_held(conn, other).await?;
    outranks(conn, actor, &roles).await
}

/// Organizations that must keep an owner through what is done next.
pub async fn guard_owners(tx: &mut Tx, leaving: Leaving) -> Result<Vec<Uuid>> {
    Ok(owned_lock(tx, leaving).await?)
}

/// None of them has lost its last owner.
pub async fn still_owned(tx: &mut Tx, organizations: &[Uuid]) -> Result<()> {
    if organizations.is_empty() || unowned(tx, organizations).await?.is_empty() {
        return Ok(());
    }
    Err(Problem::refuse(
        Rule::LastOwner,
        "an organization would lose its last owner who can log in; make somebody else an owner first",
    ))
}
