//! Suspending, resuming and purging organizations and projects: what is done to them from above.

use crate::Identity;
use crate::extract::Actor;
use iroko_store::authority::Scope;
use iroko_store::suspension::{is_home_of, left_in, purge_begin, suspension_set};
use iroko_web::problem::{Plain, Problem, Result, Rule};

/// Suspends or resumes; doing it again is no error. Its instances are told in the same transaction, which is
/// not a tenant's: it reaches into every project below.
pub async fn set(app: &Identity, actor: &Actor, scope: Scope, suspend: bool) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if suspend && is_home_of(&mut tx, scope, actor.subject).await? {
        let text =
            "you belong to this organization, or to one below it, and would lock yourself out; let somebody else do it";
        return Err(Problem::refuse(Rule::LockedOut, text));
    }
    if !suspension_set(&mut tx, scope, suspend).await? && !suspend {
        is_not_purged(&mut tx, scope).await?;
    }
    Ok(app.store.commit(tx).await?)
}

async fn is_not_purged(tx: &mut iroko_store::Tx, scope: Scope) -> Result<()> {
    let purging = match scope {
        Scope::Organization(id) => {
            iroko_store::organization::organization_get(tx, id).await?.and_then(|o| o.purging_at)
        }
        Scope::Project(id) => iroko_store::project::project_get(tx, id).await?.and_then(|p| p.purging_at),
        Scope::System => None,
    };
    match purging {
        Some(_) => Err(Problem::refuse(Rule::PurgeBegun, "it is being purged; that cannot be taken back")),
        None => Ok(()),
    }
}

/// Begins to delete everything in it, and at last itself. The scheduler does the work.
pub async fn purge(app: &Identity, actor: &Actor, scope: Scope) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if is_home_of(&mut tx, scope, actor.subject).await? {
        return Err(Problem::refuse(Rule::LockedOut, "you belong to this organization, or to one below it"));
    }
    if !purge_begin(&mut tx, scope).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit(tx).await?)
}

/// The refusal to delete what is not empty.
pub async fn not_empty(app: &Identity, scope: Scope) -> Result<()> {
    let mut tx = match scope {
        Scope::Organization(id) => app.store.begin_bound(id).await?,
        Scope::Project(id) => app.store.begin_bound(id).await?,
        Scope::System => return Ok(()),
    };
    let left = left_in(&mut tx, scope).await?;
    if left.is_empty() {
        return Ok(());
    }
    let text =
        format!("in it are still {}; delete those first, or everything at once with ?purge=true", left.join(", "));
    Err(Problem::refuse(Rule::NotEmpty, text))
}
