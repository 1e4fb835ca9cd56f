//! Passwords: proving with one who one is, changing one's own, resetting another's.

use super::login_attempt::{self, Attempt};
use crate::Identity;
use crate::auth::breached;
use crate::auth::lockout;
use crate::auth::password::HashError;
use crate::auth::policy;
use crate::extract::{InOrganization, Source};
use crate::service::authority::outranks_subject;
use iroko_model::{SessionId, UserId};
use iroko_store::authority::Subject;
use iroko_store::credential::{self, Credential};
use iroko_store::login_attempt::{Proof, login_attempt_forgive};
use iroko_store::login_challenge::login_challenge_delete_all;
use iroko_store::request::{self, Who};
use iroko_store::{Wake, session};
use iroko_web::problem::{Kind, Plain, Problem, Result, Rule};
use iroko_wire::credential::{PasswordChange, PasswordReset};

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy(after) => {
                let text = "too many passwords wait to be checked; wait as long as Retry-After says, then try again";
                Self::refuse(Rule::PasswordQueue, text).retry_after(after)
            }
            error => Self::internal(&error),
        }
    }
}

/// Checks a user name and a password. An unknown name takes as long as a wrong password and is
/// answered alike. The attempt is still open: the caller says when it has succeeded.
pub async fn prove(app: &Identity, source: &Source, username: &str, password: String) -> Result<(Credential, Attempt)> {
    let attempt = login_attempt::begin(app, username, source, Proof::Password).await?;
    let mut conn = app.store.connection().await?;
    let found = match username.contains('\0') {
        true => None,
        false => credential::credential_by_username(&mut conn, username).await?,
    };
    if let (Some(found), Some(request)) = (&found, request::current()) {
        request.set_who(who(found));
    }
    // Log-ins take turns at hashing; none of them keeps a connection from others meanwhile.
    drop(conn);
    let stored = found.as_ref().and_then(|found| found.password_hash.clone());
    let right = match app.passwords.verify(password, stored).await {
        Ok(right) => right,
        Err(error) => {
            attempt.withdraw(app).await?;
            return Err(error.into());
        }
    };
    match found.filter(|found| right && !found.is_disabled) {
        Some(found) => Ok((found, attempt)),
        None => {
            attempt.failed(app).await?;
            tracing::warn!(source = %source.address, "a log-in failed");
            Err(Problem::refuse(Rule::PasswordWrong, "the user name or the password is wrong"))
        }
    }
}

/// Who tries to log in, for the audit log: the attempt is theirs, whether it succeeds or not.
pub fn who(person: &Credential) -> Who {
    Who {
        id: person.account_id.as_uuid(),
        kind: "user",
        name: person.username.clone(),
        organization_id: Some(person.organization_id),
        credential_kind: "password",
        credential_id: None,
    }
}

/// Changes one's own password. All other sessions end: whoever knew the old one is out.
pub async fn change(
    app: &Identity,
    source: &Source,
    user: UserId,
    current: Option<SessionId>,
    request: PasswordChange,
) -> Result<()> {
    let mut conn = app.store.connection().await?;
    let owner = credential::credential_by_account(&mut conn, user).await?.ok_or_else(policy::disabled)?;
    drop(conn);
    if owner.password_hash.is_none() {
        return Err(without_password());
    }
    acceptable(app, "/new_password", &request.new_password, &owner).await?;
    let proven = prove(app, source, &owner.username, request.current_password).await;
    let (_, attempt) = proven.map_err(|problem| match problem.kind() {
        Kind::Unauthorized => {
            let text = "this is not your current password";
            Problem::field("/current_password", iroko_model::Invalid::new("password_wrong", text))
        }
        _ => problem,
    })?;
    let hash = match app.passwords.hash(request.new_password).await {
        Ok(hash) => hash,
        Err(error) => {
            attempt.withdraw(app).await?;
            return Err(error.into());
        }
    };
    let now = app.credentials.clock.now();
    let mut tx = app.store.begin().await?;
    credential::credential_set_password(&mut tx, user, &hash, now).await?;
    login_challenge_delete_all(&mut tx, user).await?;
    session::session_revoke_all(&mut tx, user, current, "password", now).await?;
    attempt.succeeded(&mut tx).await?;
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}

/// Sets the password of another person of the organization. All their sessions end, and failures to
/// log in are forgiven.
pub async fn reset(app: &Identity, within: &InOrganization, user: UserId, request: PasswordReset) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let owner = credential::credential_by_account(&mut tx, user).await?;
    let owner =
        owner.filter(|owner| owner.organization_id == within.organization).ok_or(Problem::new(Plain::NotFound))?;
    // Who knows somebody's password has all that they have.
    outranks_subject(&mut tx, &within.actor, Subject::User(user)).await?;
    drop(tx);
    if owner.password_hash.is_none() {
        return Err(without_password());
    }
    acceptable(app, "/password", &request.password, &owner).await?;
    let hash = app.passwords.hash(request.password).await?;
    let now = app.credentials.clock.now();
    let mut tx = app.store.begin().await?;
    credential::credential_set_password(&mut tx, user, &hash, now).await?;
    login_challenge_delete_all(&mut tx, user).await?;
    session::session_revoke_all(&mut tx, user, None, "password", now).await?;
    login_attempt_forgive(&mut tx, &lockout::subject(&owner.username)).await?;
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}

fn without_password() -> Problem {
    Problem::refuse(Rule::PasswordNone, "this account has no password: its identity provider vouches for it")
}

/// Checks a new password, by the operator's list too.
async fn acceptable(app: &Identity, pointer: &str, password: &str, owner: &Credential) -> Result<()> {
    acceptable_of(app, pointer, password, [owner.username.clone(), owner.organization_name.clone()]).await
}

/// The same, for somebody whose user name and organization have these names.
pub async fn acceptable_of(app: &Identity, pointer: &str, password: &str, names: [String; 2]) -> Result<()> {
    let (password, list) = (password.to_owned(), app.credentials.breached.clone());
    let checked = tokio::task::spawn_blocking(move || {
        breached::check_all(&password, &names.each_ref().map(String::as_str), list.as_deref())
    });
    let checked = checked.await.map_err(|e| Problem::internal(&e))?.map_err(|e| Problem::internal(&e))?;
    checked.map_err(|invalid| Problem::field(pointer, invalid))
}
