//! Throws away what nobody needs any more: outbox rows (a watcher that is further behind gets everything
//! instead), events (a follower is told to read the lists again) and idempotency keys.

use super::{PassReport, Reconcile};
use iroko_store::{Store, change, event, idempotency, instance};
use std::time::Duration;

/// How long a change is kept, in seconds.
const CHANGE_S: f64 = 600.0;
/// How long an event is kept: a client may be away for a long week-end.
const EVENT_S: f64 = 7.0 * 86400.0;
/// How long an idempotency key holds.
const KEY_S: f64 = 86400.0;
/// Rows thrown away in one statement.
const BATCH: i64 = 10_000;

/// See the module.
#[derive(Debug)]
pub struct Trim;

#[async_trait::async_trait]
impl Reconcile for Trim {
    const NAME: &'static str = "trim";
    const EVERY: Duration = Duration::from_secs(60);
    const WOKEN: Option<Duration> = None;

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut conn = store.connection().await?;
        let changes = change::change_trim(&mut conn, CHANGE_S, BATCH).await?;
        let events = event::event_trim(&mut conn, EVENT_S, BATCH).await?;
        let keys = idempotency::idempotency_trim(&mut conn, KEY_S, BATCH).await?;
        let months = instance::instance_history_keep(&mut conn).await?;
        let more = [changes, events, keys].contains(&(BATCH as u64));
        Ok(PassReport { done: changes + events + keys + months, more })
    }
}
