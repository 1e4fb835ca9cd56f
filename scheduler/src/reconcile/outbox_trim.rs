//! Throws away outbox rows that no watcher needs any more: one that is further behind than this
//! gets everything instead.

use super::{PassReport, Reconcile};
use iroko_store::{Store, change};
use std::time::Duration;

/// How long a change is kept, in seconds.
const KEEP_S: f64 = 600.0;
/// Rows thrown away in one statement.
const BATCH: i64 = 10_000;

/// See the module.
#[derive(Debug)]
pub struct OutboxTrim;

#[async_trait::async_trait]
impl Reconcile for OutboxTrim {
    const NAME: &'static str = "outbox trim";
    const EVERY: Duration = Duration::from_secs(60);
    const WOKEN: Option<Duration> = None;

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut conn = store.connection().await?;
        let done = change::change_trim(&mut conn, KEEP_S, BATCH).await?;
        Ok(PassReport { done, more: done == BATCH as u64 })
    }
}
