//! Takes an instance that its host could not build to another host, and gives up after a few.

use super::{PassReport, Reconcile};
use iroko_store::{Store, placement};
use std::time::Duration;

/// Hosts that may fail an instance before it is given up.
const MOST_HOSTS: i32 = 3;
/// Instances looked at in one pass.
const BATCH: i64 = 256;

/// See the module.
#[derive(Debug)]
pub struct BuildFailure;

#[async_trait::async_trait]
impl Reconcile for BuildFailure {
    const NAME: &'static str = "build failure";
    const EVERY: Duration = Duration::from_secs(2);
    const WOKEN: Option<Duration> = Some(Duration::from_millis(500));

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut tx = store.begin().await?;
        let done = placement::placement_take_back(&mut tx, MOST_HOSTS, BATCH).await?;
        if done > 0 {
            store.commit(tx).await?;
        }
        Ok(PassReport { done, more: false })
    }
}
