//! What must be done about credentials again and again, by every API process: signing keys change in
//! time, what has ended is removed. Repeating it does no harm.

use super::signing_key;
use crate::Identity;
use crate::auth::lockout;
use iroko_store::{login_attempt, login_challenge, session};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So late does a process learn, at the latest, that another has changed the keys.
const EVERY: Duration = Duration::from_secs(5);
/// What has ended is removed every so many passes.
const PURGE_EVERY: u64 = 120;
/// Ended sessions are kept for this long, so that a stolen token that comes back is recognised.
const ENDED_KEPT: time::Duration = time::Duration::days(7);

/// Starts the task.
pub fn spawn(app: Identity, shutdown: CancellationToken) {
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        for pass in 0u64.. {
            if let Err(error) = signing_key::renew(&app).await {
                tracing::warn!(error = %iroko_daemon::chain(&error), "the signing keys were not looked at");
            }
            if pass % PURGE_EVERY == 0
                && let Err(error) = purge(&app).await
            {
                tracing::warn!(error = %iroko_daemon::chain(&error), "ended sessions were not removed");
            }
            tokio::time::sleep(EVERY).await;
        }
    }));
}

/// Removes what has ended.
pub async fn purge(app: &Identity) -> iroko_store::Result<()> {
    let now = app.credentials.clock.now();
    let mut conn = app.store.connection().await?;
    let sessions = session::session_purge(&mut conn, now - ENDED_KEPT).await?;
    let attempts = login_attempt::login_attempt_purge(&mut conn, now - lockout::MEMORY).await?;
    login_challenge::login_challenge_purge(&mut conn, now).await?;
    tracing::debug!(sessions, attempts, "removed what has ended");
    Ok(())
}
