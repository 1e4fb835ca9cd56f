//! `/metrics`, on an address of its own: what the process has counted, and what there is now.
//!
//! What there is now is read from the database when somebody asks, and kept for a while, so that a crowd of scrapers costs
//! no more than one. Labels have values from lists in the code: nobody makes time series by inventing names.

use crate::App;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use iroko_model::instance::Status;
use iroko_store::gauge::{gauge_hosts, gauge_instances, gauge_unread};
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long what was read from the database is good enough.
const KEPT: Duration = Duration::from_secs(5);
/// Longest wait for the database before an answer without it.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// Upper ends of the buckets of how long requests took, in seconds.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Debug, Clone)]
struct Scraped {
    app: App,
    recorded: PrometheusHandle,
    /// When the database was last asked.
    read_at: Arc<Mutex<Option<Instant>>>,
}

/// The routes of the metrics' own address.
pub fn router(app: App) -> Router {
    let scraped = Scraped { app, recorded: recorder(), read_at: Arc::default() };
    Router::new().route("/metrics", get(scrape)).with_state(scraped)
}

/// Begins to count. One recorder a process; tests that start several servers share it.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    let make = || {
        let recorder = builder().unwrap_or_else(|error| {
            tracing::warn!(%error, "the times of requests are told as quantiles");
            PrometheusBuilder::new()
        });
        let recorder = recorder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        gauge!("iroko_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        handle
    };
    RECORDER.get_or_init(make).clone()
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full("iroko_http_request_seconds".to_owned()), &BUCKETS)
}

async fn scrape(State(scraped): State<Scraped>) -> String {
    scraped.refresh().await;
    scraped.recorded.run_upkeep();
    scraped.recorded.render()
}

impl Scraped {
    /// Reads the database anew, unless somebody did a moment ago. Who comes meanwhile waits for the same answer.
    async fn refresh(&self) {
        let mut read_at = self.read_at.lock().await;
        pool(&self.app);
        if read_at.is_some_and(|at| at.elapsed() < KEPT) {
            return;
        }
        let outcome = tokio::time::timeout(READ_WITHIN, read(&self.app)).await;
        *read_at = Some(Instant::now());
        let is_up = match outcome {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(error = %iroko_daemon::chain(&error), "the database could not be read for /metrics");
                false
            }
            Err(_) => {
                tracing::warn!("the database did not answer in time for /metrics");
                false
            }
        };
        gauge!("iroko_database_up").set(if is_up { 1.0 } else { 0.0 });
    }
}

fn pool(app: &App) {
    let (open, idle) = app.store.pool_use();
    let idle = u32::try_from(idle).unwrap_or(u32::MAX);
    gauge!("iroko_database_connections", "use" => "idle").set(idle);
    gauge!("iroko_database_connections", "use" => "busy").set(open.saturating_sub(idle));
    gauge!("iroko_database_connections_most").set(app.config.database_connections);
}

/// Sets each gauge of each label's value, so that what there is no more of goes down to 0.
async fn read(app: &App) -> iroko_store::Result<()> {
    let mut tx = app.store.begin().await?;
    let hosts = gauge_hosts(&mut tx).await?;
    let instances = gauge_instances(&mut tx).await?;
    let unread = gauge_unread(&mut tx, app.agents.read_up_to()).await?;
    drop(tx);
    for state in ["enabled", "disabled", "dead"] {
        for (reachable, word) in [(true, "true"), (false, "false")] {
            let found = hosts.iter().find(|count| count.state == state && count.reachable == reachable);
            gauge!("iroko_hosts", "state" => state, "reachable" => word)
                .set(float(found.map_or(0, |count| count.hosts)));
        }
    }
    for status in Status::WORDS {
        let found = instances.iter().find(|count| count.status == *status);
        gauge!("iroko_instances", "status" => *status).set(float(found.map_or(0, |count| count.instances)));
    }
    gauge!("iroko_outbox_unread").set(float(unread.changes));
    gauge!("iroko_outbox_lag_seconds").set(unread.oldest_s);
    Ok(())
}

/// As a gauge holds it, which is exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "there are fewer of anything")]
const fn float(number: i64) -> f64 {
    number as f64
}
