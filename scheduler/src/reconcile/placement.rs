//! Finds a host for every machine that waits for one.

use super::{PassReport, Reconcile};
use crate::placement::place;
use iroko_store::{Store, placement};
use std::time::Duration;

/// Machines claimed in one pass.
const BATCH: i64 = 256;
/// When a machine that fits nowhere is tried again, unless room is freed before.
const AGAIN_S: f64 = 5.0;

/// See the module.
#[derive(Debug)]
pub struct Placement {
    /// Seconds of silence after which a host takes nothing new.
    pub lease_s: f64,
}

#[async_trait::async_trait]
impl Reconcile for Placement {
    const NAME: &'static str = "placement";
    const EVERY: Duration = Duration::from_secs(1);
    const WOKEN: Option<Duration> = Some(Duration::from_millis(5));

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut tx = store.begin().await?;
        let batch = placement::placement_claim(&mut tx, BATCH).await?;
        if batch.is_empty() {
            return Ok(PassReport::default());
        }
        let mut hosts = placement::placement_view(&mut tx, self.lease_s).await?;
        let decision = place(&batch, &mut hosts);
        let placed = if decision.placed.is_empty() {
            Vec::new()
        } else {
            placement::placement_commit(&mut tx, &decision.placed).await?
        };
        if !decision.refused.is_empty() {
            placement::placement_postpone(&mut tx, &decision.refused, AGAIN_S).await?;
        }
        store.commit(tx).await?;
        // Those that lost their room to somebody else are claimed again at once, on a new view.
        let lost = decision.placed.len() - placed.len();
        Ok(PassReport { done: placed.len() as u64, more: lost > 0 || batch.len() as i64 == BATCH })
    }
}
