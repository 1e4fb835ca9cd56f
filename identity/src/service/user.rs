//! Users.

use crate::Identity;
use crate::extract::{Actor, ListQuery};
use crate::service::authority::{guard_owners, outranks_subject, still_owned};
use crate::service::credential::acceptable_of;
use crate::service::quota;
use crate::show::Show;
use iroko_model::{Invalid, Labels, OrganizationId, UserId};
use iroko_store::authority::{Scope, Subject};
use iroko_store::organization::organization_get;
use iroko_store::request::{Noun, check_generation};
use iroko_store::role_binding::Leaving;
use iroko_store::user::{self, User as Row};
use iroko_store::{Error, Tx};
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::List;
use iroko_wire::user::{CheckedUser, User, UserCreate, UserUpdate};

/// Checks a first password by all lists, and hashes it.
pub async fn hash(app: &Identity, user: &CheckedUser, organization: String, pointer: &str) -> Result<String> {
    let names = [user.username.as_str().to_owned(), organization];
    acceptable_of(app, &format!("{pointer}/password"), &user.password, names).await?;
    Ok(app.passwords.hash(user.password.clone()).await?)
}

/// Makes a user's row. That a name is taken is all that is told of other organizations.
pub async fn insert(
    tx: &mut Tx,
    organization: OrganizationId,
    user: &CheckedUser,
    hash: &str,
    pointer: &str,
) -> Result<Row> {
    quota::take(tx, Scope::Organization(organization), &[("users", 1)]).await?;
    let made = user::user_insert(tx, organization, &user.username, hash, &user.labels).await;
    made.map_err(|error| match error {
        Error::Taken(_) => {
            let invalid = Invalid::new("username_taken", "this user name cannot be had; choose another");
            Problem::field(format!("{pointer}/username"), invalid)
        }
        error => error.into(),
    })
}

/// Makes a user, who may do nothing until a role is given.
pub async fn create(app: &Identity, organization: OrganizationId, request: UserCreate) -> Result<User> {
    let checked = CheckedUser::try_from(request)?;
    let mut tx = app.store.begin_bound(organization).await?;
    let home = organization_get(&mut tx, organization).await?.ok_or(Problem::new(Plain::NotFound))?;
    // Nobody waits for a password to be hashed with a connection in hand.
    drop(tx);
    let hash = hash(app, &checked, home.name, "").await?;
    let mut tx = app.store.begin_bound(organization).await?;
    let row = insert(&mut tx, organization, &checked, &hash, "").await?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// A page of users.
pub async fn list(app: &Identity, organization: OrganizationId, query: ListQuery) -> Result<List<User>> {
    let mut tx = app.store.begin_bound(organization).await?;
    Ok(iroko_web::list(user::user_list(&mut tx, organization, query.page, &query.filter).await?, Show::show))
}

/// One user.
pub async fn get(app: &Identity, organization: OrganizationId, id: UserId) -> Result<User> {
    let mut tx = app.store.begin_bound(organization).await?;
    user::user_get(&mut tx, organization, id).await?.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Disables, enables or labels a user. Disabling acts at once, on tokens too.
pub async fn update(
    app: &Identity,
    actor: &Actor,
    organization: OrganizationId,
    id: UserId,
    request: UserUpdate,
) -> Result<User> {
    let labels = request.labels.map(Labels::try_from).transpose().map_err(|e| Problem::field("/labels", e))?;
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::User, id.as_uuid()).await?;
    there(&mut tx, organization, id).await?;
    let owned = match request.disabled {
        Some(disabled) => {
            outranks_subject(&mut tx, actor, Subject::User(id)).await?;
            if disabled { guard_owners(&mut tx, Leaving::User(id)).await? } else { Vec::new() }
        }
        None => Vec::new(),
    };
    let row = user::user_update(&mut tx, organization, id, request.disabled, labels.as_ref()).await?;
    still_owned(&mut tx, &owned).await?;
    app.store.commit(tx).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Deletes a user, with their roles.
pub async fn delete(app: &Identity, actor: &Actor, organization: OrganizationId, id: UserId) -> Result<()> {
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::User, id.as_uuid()).await?;
    there(&mut tx, organization, id).await?;
    outranks_subject(&mut tx, actor, Subject::User(id)).await?;
    let owned = guard_owners(&mut tx, Leaving::User(id)).await?;
    user::user_delete(&mut tx, organization, id).await?;
    still_owned(&mut tx, &owned).await?;
    Ok(app.store.commit(tx).await?)
}

async fn there(tx: &mut Tx, organization: OrganizationId, id: UserId) -> Result<()> {
    user::user_get(tx, organization, id).await?.map(drop).ok_or(Problem::new(Plain::NotFound))
}
