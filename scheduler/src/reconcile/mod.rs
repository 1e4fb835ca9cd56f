//! The scheduler's concerns, one file each. A reconciler takes no input, is woken by a signal *and*
//! by its period, and says what it did; a failure is part of the report and never ends it.

mod build_failure;
mod connection_log;
mod placement;
mod purge;
mod silence;
mod trim;

pub use build_failure::BuildFailure;
pub use connection_log::ConnectionLog;
pub use placement::Placement;
pub use purge::Purge;
pub use silence::Silence;
pub use trim::Trim;

use iroko_store::{Signals, Store, Wake};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a broken signal listener is made anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Longest rest after a pass that took long.
const REST_MAX: Duration = Duration::from_millis(100);

/// What one pass did.
#[derive(Debug, Default, Clone, Copy)]
pub struct PassReport {
    /// Things changed.
    pub done: u64,
    /// There is more to do at once.
    pub more: bool,
}

/// Looks at everything, does what is missing, says what it did.
#[async_trait::async_trait]
pub trait Reconcile: Send {
    /// Name in the log.
    const NAME: &'static str;
    /// Longest time between two passes.
    const EVERY: Duration;
    /// Shortest time between two passes: what comes in the meantime is done together. `None`: no
    /// signal wakes it before its time.
    const WOKEN: Option<Duration>;
    /// One pass.
    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport>;
}

/// Runs a reconciler until `shutdown`.
pub async fn run<R: Reconcile>(mut reconciler: R, store: Store, shutdown: CancellationToken) {
    let mut signals: Option<Signals> = None;
    while !shutdown.is_cancelled() {
        // Listening begins before the pass, so that a change during it wakes the next one.
        if R::WOKEN.is_some() && signals.is_none() {
            signals = store.signals(Wake::Scheduler).await.ok();
        }
        let began = Instant::now();
        let more = match reconciler.pass(&store).await {
            Ok(report) => {
                if report.done > 0 {
                    tracing::debug!(reconciler = R::NAME, done = report.done, took = ?began.elapsed(), "pass");
                }
                report.more
            }
            Err(error) => {
                tracing::warn!(reconciler = R::NAME, error = %iroko_daemon::chain(&error), "the pass failed; the next one goes on");
                signals = None;
                shutdown.run_until_cancelled(tokio::time::sleep(LISTEN_AGAIN)).await;
                continue;
            }
        };
        if more {
            continue;
        }
        match signals.as_mut() {
            Some(signals) => {
                // It rests as long as it worked: under load what it does is done in fewer, larger passes.
                let gap = R::WOKEN.unwrap_or_default().max(began.elapsed().min(REST_MAX));
                shutdown
                    .run_until_cancelled(async { tokio::join!(signals.wait(R::EVERY), tokio::time::sleep(gap)) })
                    .await
                    .map(drop)
            }
            None => shutdown.run_until_cancelled(tokio::time::sleep(R::EVERY)).await,
        };
    }
}
