//! Users: how they are made.

use crate::Identity;
use crate::service::credential::acceptable_of;
use crate::service::quota;
use iroko_model::{Invalid, OrganizationId};
use iroko_store::authority::Scope;
use iroko_store::organization::organization_get;
use iroko_store::user::{self, NewUser, User as Row};
use iroko_store::{Error, Tx};
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::user::{CheckedUser, UserCreate};

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
    let new = NewUser {
        organization_id: organization,
        username: &user.username,
        description: &user.description,
        password_hash: hash,
        labels: &user.labels,
    };
    let made = user::user_insert(tx, &new).await;
    made.map_err(|error| match error {
        Error::Taken(_) => {
            let invalid = Invalid::new("username_taken", "this user name cannot be had; choose another");
            Problem::field(format!("{pointer}/username"), invalid)
        }
        error => error.into(),
    })
}

/// Makes a user, who may do nothing until a role is given.
pub async fn create(app: &Identity, organization: OrganizationId, request: UserCreate) -> Result<Row> {
    let checked = CheckedUser::try_from(request)?;
    let mut tx = app.store.begin_bound(organization).await?;
    let home = organization_get(&mut tx, organization).await?.ok_or(Problem::new(Plain::NotFound))?;
    // Nobody waits for a password to be hashed with a connection in hand.
    drop(tx);
    let hash = hash(app, &checked, home.common.name, "").await?;
    let mut tx = app.store.begin_bound(organization).await?;
    let row = insert(&mut tx, organization, &checked, &hash, "").await?;
    app.store.commit(tx).await?;
    Ok(row)
}
