//! Tells of hosts that fall silent, and that come back.

use super::{PassReport, Reconcile};
use iroko_store::{Store, silence};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub struct Silence;

#[async_trait::async_trait]
impl Reconcile for Silence {
    const NAME: &'static str = "silence";
    const EVERY: Duration = Duration::from_secs(1);
    // Silence sends no signal.
    const WOKEN: Option<Duration> = None;

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut tx = store.begin().await?;
        let done = silence::silence_note(&mut tx).await?;
        if done > 0 {
            store.commit(tx).await?;
        }
        Ok(PassReport { done, more: false })
    }
}
