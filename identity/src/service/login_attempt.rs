//! Attempts to prove who one is: noted before they are checked, so that failures cost time.

use crate::Identity;
use crate::auth::lockout;
use crate::extract::Source;
use iroko_store::login_attempt::Proof;
use iroko_store::{Tx, login_attempt};
use iroko_web::problem::{Problem, Result, Rule};
use uuid::Uuid;

/// An attempt that is being checked. One that is neither decided nor withdrawn counts for a minute.
#[derive(Debug)]
pub struct Attempt {
    id: Uuid,
    subject: Vec<u8>,
    proof: Proof,
}

/// Notes an attempt, or says how long to wait before one. Says the same whether or not somebody has
/// this user name.
pub async fn begin(app: &Identity, username: &str, source: &Source, proof: Proof) -> Result<Attempt> {
    let now = app.credentials.clock.now();
    let (subject, from) = (lockout::subject(username), lockout::from(source.address));
    // NUL cannot be in a text of the database, nor in a user name.
    let name = if username.contains('\0') { "" } else { username };
    let mut tx = app.store.begin().await?;
    login_attempt::login_attempt_lock(&mut tx, lockout::locks(&subject, from.network)).await?;
    let (since, pending_since) = (now - lockout::MEMORY, now - lockout::PENDING);
    let before = login_attempt::login_attempts(&mut tx, &subject, name, from, since, pending_since).await?;
    if let Some(wait) = lockout::wait(&before, now) {
        tracing::warn!(source = %source.address, wait_s = wait.whole_seconds(), "too many failed log-ins");
        let text = "too many attempts to log in have failed; wait as long as Retry-After says, then try again";
        return Err(Problem::refuse(Rule::LoginAttempts, text).retry_after(wait.unsigned_abs()));
    }
    let id = login_attempt::login_attempt_insert(&mut tx, &subject, from, proof, now).await?;
    app.store.commit_aside(tx).await?;
    Ok(Attempt { id, subject, proof })
}

impl Attempt {
    /// It failed.
    pub async fn failed(self, app: &Identity) -> Result<()> {
        let mut conn = app.store.connection().await?;
        Ok(login_attempt::login_attempt_failed(&mut conn, self.id, app.credentials.clock.now()).await?)
    }

    /// It was not decided.
    pub async fn withdraw(self, app: &Identity) -> Result<()> {
        let mut conn = app.store.connection().await?;
        Ok(login_attempt::login_attempt_withdraw(&mut conn, self.id).await?)
    }

    /// It succeeded, in the transaction that makes use of it.
    pub async fn succeeded(self, tx: &mut Tx) -> Result<()> {
        Ok(login_attempt::login_attempt_succeeded(tx, self.id, &self.subject, self.proof).await?)
    }
}
