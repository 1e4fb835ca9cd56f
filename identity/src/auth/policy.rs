//! What an actor may do. The database is asked at every request, so that a role that was taken away
//! acts at once; what follows from its answer is decided here, without I/O.

use crate::Identity;
use crate::auth::subject::Credential;
use crate::extract::{Actor, Admission};
use axum::http::request::Parts;
use iroko_model::role::Held;
use iroko_model::{Permission, Permissions, Role};
use iroko_store::Connection;
use iroko_store::api_key::api_key_holds;
use iroko_store::authority::{Authority, Scope, Standing, admission, authority};
use iroko_web::problem::{Plain, Problem, Result, Rule};

/// What the actor may do on the scope, if that has the permission.
pub async fn ask(
    app: &Identity,
    parts: &Parts,
    actor: &Actor,
    scope: Scope,
    permission: Permission,
) -> Result<Permissions> {
    let found = of_request(app, parts, actor, scope).await?;
    judge(&found, permission)?;
    unbound(actor, permission)?;
    Ok(found.held.permissions)
}

/// All the actor may do on the scope, as far as their credential lets them; who has nothing there learns nothing of it.
pub async fn ask_all(app: &Identity, parts: &Parts, actor: &Actor, scope: Scope) -> Result<Held> {
    let Authority { standing, held } = of_request(app, parts, actor, scope).await?;
    stands(standing)?;
    if held.permissions.union(held.suspended).is_empty() {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(if actor.is_bound { bound(held) } else { held })
}

/// What a key that is good in some networks only leaves: all that [`unbound`] does not refuse.
fn bound(held: Held) -> Held {
    let giving: Permissions = Permission::ALL.iter().copied().filter(|each| each.gives_authority()).collect();
    Held { permissions: held.permissions.minus(giving), suspended: held.suspended.minus(giving) }
}

/// Asks anew whether the actor's session or key holds and has the permission, and what else it has: for what goes on after
/// the request was let in (streams, uploads). What it says is at most as old as the question.
pub async fn ask_again(app: &Identity, actor: &Actor, scope: Scope, permission: Permission) -> Result<Permissions> {
    let now = app.credentials.clock.now();
    let mut conn = app.store.connection().await?;
    let found = match actor.credential {
        Credential::Session(session) => admission(&mut conn, actor.subject, Some((session, now)), scope).await?,
        Credential::ApiKey(key) => match api_key_holds(&mut conn, key, now).await? {
            true => admission(&mut conn, actor.subject, None, scope).await?,
            false => None,
        },
    };
    let ended = || Problem::refuse(Rule::SessionEnded, "the session or key has ended meanwhile; log in again");
    let found = found.ok_or_else(ended)?;
    let held = actor.restrict(found.held);
    judge(&Authority { held, ..found }, permission)?;
    Ok(held.permissions)
}

/// What was found out with the credential a moment ago, where that was about this scope.
async fn of_request(app: &Identity, parts: &Parts, actor: &Actor, scope: Scope) -> Result<Authority> {
    if let Some(known) = parts.extensions.get::<Admission>().filter(|known| known.scope == scope) {
        return Ok(Authority { held: actor.restrict(known.authority.held), ..known.authority });
    }
    held(&mut app.store.connection().await?, actor, scope).await
}

/// What the actor holds there, as far as their credential lets them.
async fn held(conn: &mut Connection, actor: &Actor, scope: Scope) -> Result<Authority> {
    let found = authority(conn, actor.subject, scope).await?;
    Ok(Authority { held: actor.restrict(found.held), ..found })
}

/// What the actor may do above the scope, if that has the permission: nobody gives a limit to
/// themselves. Who has no say above, but knows of the scope, learns what is missing.
pub async fn ask_above(app: &Identity, actor: &Actor, scope: Scope, permission: Permission) -> Result<Permissions> {
    let mut conn = app.store.connection().await?;
    let above = iroko_store::authority::scope_above(&mut conn, scope).await?.ok_or(Problem::new(Plain::NotFound))?;
    let found = held(&mut conn, actor, above).await?;
    stands(found.standing)?;
    if found.held.permissions.has(permission) {
        unbound(actor, permission)?;
        return Ok(found.held.permissions);
    }
    let here = held(&mut conn, actor, scope).await?.held;
    Err(refusal(Held { permissions: here.permissions.minus(Permissions::of(&[permission])), ..here }, permission))
}

/// Nothing that a key makes is less bound than the key.
fn unbound(actor: &Actor, permission: Permission) -> Result<()> {
    if !actor.is_bound || !permission.gives_authority() {
        return Ok(());
    }
    let text = format!(
        "a key that is good in some networks only gives nobody what is good elsewhere ({permission}); use one without networks, or log in"
    );
    Err(Problem::refuse(Rule::KeyBound, text))
}

/// The actor's account holds, whatever it may do.
pub async fn is_in_good_standing(app: &Identity, parts: &Parts, actor: &Actor) -> Result<Permissions> {
    let found = of_request(app, parts, actor, Scope::System).await?;
    stands(found.standing)?;
    Ok(found.held.permissions)
}

/// Yes, or the refusal: nothing held hides that the scope exists.
pub fn judge(authority: &Authority, permission: Permission) -> Result<()> {
    stands(authority.standing)?;
    if authority.held.permissions.has(permission) { Ok(()) } else { Err(refusal(authority.held, permission)) }
}

/// The account holds no more, or is gone.
pub fn disabled() -> Problem {
    Problem::refuse(Rule::AccountDisabled, "the account is disabled or deleted; ask whoever runs your organization")
}

/// Their account holds, and no organization of theirs is suspended.
pub fn stands(standing: Standing) -> Result<()> {
    match standing {
        Standing::Good => Ok(()),
        Standing::Disabled => Err(disabled()),
        Standing::Suspended => Err(Problem::refuse(
            Rule::CallerSuspended,
            "your organization is suspended; ask whoever it is a customer of",
        )),
    }
}

fn refusal(held: Held, permission: Permission) -> Problem {
    if held.permissions.union(held.suspended).is_empty() {
        return Problem::new(Plain::NotFound);
    }
    if held.suspended.has(permission) {
        return Problem::refuse(
            Rule::PlaceSuspended,
            "the project or an organization above it is suspended; nothing is lost, whoever suspended it can resume it",
        );
    }
    forbidden(permission)
}

/// The refusal that names what is missing and who could give it.
pub fn forbidden(permission: Permission) -> Problem {
    let roles = Role::that_allow(permission).into_iter().map(Role::as_str).collect::<Vec<_>>().join(", ");
    Problem::refuse(
        Rule::PermissionMissing,
        format!(
            "this needs the permission {permission}, which these roles have: {roles}; \
             ask somebody who may give roles here (role_binding.create) for one of them"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_web::problem::Kind;

    #[test]
    fn what_a_bound_key_is_said_to_hold_is_what_it_is_not_refused() {
        let owner = Role::Owner.permissions();
        let left = bound(Held { permissions: owner, suspended: owner });
        for permission in Permission::ALL {
            let may = owner.has(*permission) && !permission.gives_authority();
            assert_eq!(
                (left.permissions.has(*permission), left.suspended.has(*permission)),
                (may, may),
                "{permission}"
            );
        }
    }

    #[test]
    fn refusals_tell_no_more_than_the_caller_may_know() {
        let reader = Role::Reader.permissions();
        let kind = |standing, permissions, suspended| {
            let held = Held { permissions, suspended };
            judge(&Authority { standing, held }, Permission::InstanceCreate).err().map(|problem| problem.kind())
        };
        let (none, member) = (Permissions::NONE, Role::Member.permissions());
        assert_eq!(kind(Standing::Good, member, none), None);
        assert_eq!(kind(Standing::Good, none, none), Some(Kind::NotFound));
        assert_eq!(kind(Standing::Good, reader, none), Some(Kind::Forbidden));
        assert_eq!(kind(Standing::Good, none, member), Some(Kind::Suspended));
        assert_eq!(kind(Standing::Good, none, reader), Some(Kind::Forbidden));
        assert_eq!(kind(Standing::Disabled, member, none), Some(Kind::Unauthorized));
        assert_eq!(kind(Standing::Suspended, member, none), Some(Kind::Suspended));
    }
}
