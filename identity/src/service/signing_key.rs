//! The keys that sign access tokens: kept in time by every API process, and changed by the operator.

use crate::Identity;
use crate::auth::secret_box::SecretBox;
use crate::auth::signing_key::{KeyError, NewKey, Ring, Step, due};
use crate::auth::token::{Checked, Claims};
use crate::show::Show;
use iroko_store::signing_key;
use iroko_store::{Store, Tx, Wake};
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::List;
use iroko_wire::signing_key::SigningKey;
use time::{Duration, OffsetDateTime};

/// Most changes at a time: a new database takes three.
const STEPS_MAX: usize = 16;
/// A token of an unknown key makes us look for new keys, but not more often than this.
const LOOK_AGAIN: Duration = Duration::seconds(1);

/// Makes the changes that are due and reads the keys. Several processes may do so at once.
pub async fn keep(
    store: &Store,
    secrets: &SecretBox,
    every: Duration,
    now: OffsetDateTime,
) -> std::result::Result<Ring, KeyError> {
    let mut rows = signing_key::signing_key_list(&mut *store.connection().await?).await?;
    if due(&rows, every, now).is_some() {
        let mut tx = store.begin().await?;
        signing_key::signing_key_lock(&mut tx).await?;
        for _ in 0..STEPS_MAX {
            rows = signing_key::signing_key_list(&mut tx).await?;
            let Some(step) = due(&rows, every, now) else { break };
            take(&mut tx, &step, secrets, now).await?;
        }
        store.commit_aside(tx).await?;
    }
    Ring::open(&rows, secrets)
}

async fn take(tx: &mut Tx, step: &Step, secrets: &SecretBox, now: OffsetDateTime) -> std::result::Result<(), KeyError> {
    tracing::info!(?step, "changing the keys that sign access tokens");
    match step {
        Step::Make => {
            let key = NewKey::make(secrets)?;
            signing_key::signing_key_insert(tx, &key.kid, &key.sealed, now).await?;
        }
        Step::Promote => signing_key::signing_key_promote(tx, now).await?,
        Step::Forget(kid) => drop(signing_key::signing_key_delete(tx, kid).await?),
    }
    Ok(())
}

/// Does [`keep`] for the running process.
pub async fn renew(app: &Identity) -> std::result::Result<(), KeyError> {
    let (credentials, every) = (&app.credentials, app.config.auth.signing_key_life());
    credentials.set_ring(keep(&app.store, &credentials.secrets, every, credentials.clock.now()).await?);
    Ok(())
}

/// What an access token says, if it holds. A key that another process has just made is looked for.
pub async fn check(app: &Identity, token: &str) -> Result<Option<Claims>> {
    let now = app.credentials.clock.now();
    let mut checked = app.credentials.ring().check(token, now);
    if matches!(checked, Checked::UnknownKey) && now - app.credentials.ring_read_at() >= LOOK_AGAIN {
        renew(app).await.map_err(|e| Problem::internal(&e))?;
        checked = app.credentials.ring().check(token, now);
    }
    Ok(match checked {
        Checked::Holds(claims) => Some(*claims),
        Checked::UnknownKey | Checked::Refused => None,
    })
}

/// The keys.
pub async fn list(app: &Identity) -> Result<List<SigningKey>> {
    let mut conn = app.store.connection().await?;
    let rows = signing_key::signing_key_list(&mut conn).await?;
    Ok(List::all(rows.into_iter().map(Show::show).collect()))
}

/// One key.
pub async fn get(app: &Identity, kid: &str) -> Result<SigningKey> {
    // NUL cannot be in a text of the database.
    if kid.contains('\0') {
        return Err(Problem::new(Plain::NotFound));
    }
    let mut conn = app.store.connection().await?;
    let row = signing_key::signing_key_get(&mut conn, kid).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Lets the next key sign from now on. Tokens of the one before hold until they end.
pub async fn rotate(app: &Identity) -> Result<List<SigningKey>> {
    let now = app.credentials.clock.now();
    let mut tx = app.store.begin().await?;
    signing_key::signing_key_lock(&mut tx).await?;
    signing_key::signing_key_promote(&mut tx, now).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    renew(app).await.map_err(|e| Problem::internal(&e))?;
    list(app).await
}

/// Forgets a key at once: for one that has leaked. Its access tokens no longer count, but their
/// sessions go on, so that a refresh brings another.
pub async fn delete(app: &Identity, kid: &str) -> Result<()> {
    let mut tx = app.store.begin().await?;
    signing_key::signing_key_lock(&mut tx).await?;
    // NUL cannot be in a text of the database.
    if kid.contains('\0') || !signing_key::signing_key_delete(&mut tx, kid).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    app.store.commit_for(tx, Wake::Nobody).await?;
    renew(app).await.map_err(|e| Problem::internal(&e))
}
