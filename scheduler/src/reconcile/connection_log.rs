//! Ends connection logs whose time is over, and throws away old records.

use super::{PassReport, Reconcile};
use iroko_store::{Store, connection_log};
use std::time::Duration;

/// How long a record is kept.
const RECORD_S: f64 = 7.0 * 86400.0;
/// Logs ended in one pass.
const LOGS: i64 = 1000;
/// Records thrown away in one pass.
const RECORDS: i64 = 10_000;

/// See the module.
#[derive(Debug)]
pub struct ConnectionLog;

#[async_trait::async_trait]
impl Reconcile for ConnectionLog {
    const NAME: &'static str = "connection log";
    const EVERY: Duration = Duration::from_secs(5);
    const WOKEN: Option<Duration> = None;

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut tx = store.begin().await?;
        let ended = connection_log::connection_logs_end(&mut tx, LOGS).await?;
        if ended > 0 {
            store.commit(tx).await?;
        }
        let mut conn = store.connection().await?;
        let trimmed = connection_log::connection_records_trim(&mut conn, RECORD_S, RECORDS).await?;
        Ok(PassReport { done: ended + trimmed, more: ended == LOGS as u64 || trimmed == RECORDS as u64 })
    }
}
