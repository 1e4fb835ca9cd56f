//! Takes agents' reports, many in one transaction.
//!
//! While one transaction runs, reports pile up; the next takes all of them (up to a bound, at most
//! one of each agent). A thousand agents that report at once cost a few transactions, not a thousand.

use iroko_agent_wire::{AgentKind, Report};
use iroko_model::HostId;
use iroko_store::{Store, report};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Reports that may wait.
const QUEUE: usize = 4096;
/// Reports taken in one transaction.
const BATCH: usize = 128;

/// Longest rest after a transaction.
const REST_MAX: Duration = Duration::from_millis(100);

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// It was taken.
    Accepted,
    /// It was of an older session, or a repetition.
    Stale,
    /// The database does not take it: sent again as it is it would not be taken either.
    NotTaken,
    /// The database did not answer, or too many reports wait; send it again.
    Unavailable,
}

#[derive(Debug)]
struct Sent {
    host: HostId,
    report: Report,
    answer: oneshot::Sender<Reception>,
}

impl Sent {
    const fn agent(&self) -> (HostId, AgentKind) {
        (self.host, self.report.agent)
    }
}

/// A handle on the task that takes reports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake(mpsc::Sender<Sent>);

impl Intake {
    /// Starts the task; it ends with the last handle.
    pub fn spawn(store: Store) -> Self {
        let (send, receive) = mpsc::channel(QUEUE);
        tokio::spawn(take_all(store, receive));
        Self(send)
    }

    /// Hands a report in and waits until it is stored.
    pub async fn take(&self, host: HostId, report: Report) -> Reception {
        let (answer, reception) = oneshot::channel();
        if self.0.try_send(Sent { host, report, answer }).is_err() {
            tracing::warn!(%host, "too many reports wait; the agent must send again");
            return Reception::Unavailable;
        }
        reception.await.unwrap_or(Reception::Unavailable)
    }
}

async fn take_all(store: Store, mut queue: mpsc::Receiver<Sent>) {
    let mut left = Vec::new();
    loop {
        if left.is_empty() && queue.recv_many(&mut left, BATCH).await == 0 {
            return;
        }
        while left.len() < BATCH
            && let Ok(sent) = queue.try_recv()
        {
            left.push(sent);
        }
        let mut agents = HashSet::new();
        let began = Instant::now();
        let (batch, second): (Vec<_>, Vec<_>) = left.into_iter().partition(|sent| agents.insert(sent.agent()));
        take(&store, batch).await;
        left = second;
        // Rests as long as it worked: under load reports gather, and requests go first.
        tokio::time::sleep(began.elapsed().min(REST_MAX)).await;
    }
}

/// Takes a batch in one transaction. Where the database refuses it, each report has a transaction of its own: one
/// host's report never makes another's fail.
async fn take(store: &Store, batch: Vec<Sent>) {
    let receptions = match store_all(store, &batch).await {
        Ok(receptions) => receptions,
        Err(error) if error.is_transient() => {
            tracing::warn!(error = %iroko_daemon::chain(&error), reports = batch.len(), "reports were not taken; the agents send them again");
            vec![Reception::Unavailable; batch.len()]
        }
        Err(error) => {
            tracing::warn!(error = %iroko_daemon::chain(&error), reports = batch.len(), "reports were refused together; they are taken one by one");
            metrics::counter!("iroko_agent_reports_one_by_one_total").increment(1);
            let mut receptions = Vec::with_capacity(batch.len());
            for sent in &batch {
                receptions.push(store_one(store, sent).await);
            }
            receptions
        }
    };
    for (sent, reception) in batch.into_iter().zip(receptions) {
        // An agent that is gone meanwhile sends again.
        let _ = sent.answer.send(reception);
    }
}

async fn store_all(store: &Store, batch: &[Sent]) -> iroko_store::Result<Vec<Reception>> {
    let reports: Vec<report::Sent<'_>> = batch.iter().map(|sent| (sent.host, &sent.report)).collect();
    let mut tx = store.begin_planned().await?;
    let (current, whom) = report::reports_accept(&mut tx, &reports).await?;
    store.commit_for(tx, whom).await?;
    Ok(current.into_iter().map(|c| if c { Reception::Accepted } else { Reception::Stale }).collect())
}

async fn store_one(store: &Store, sent: &Sent) -> Reception {
    match store_all(store, std::slice::from_ref(sent)).await {
        Ok(receptions) => receptions.first().copied().unwrap_or(Reception::Unavailable),
        Err(error) if error.is_transient() => Reception::Unavailable,
        Err(error) => {
            tracing::error!(host = %sent.host, error = %iroko_daemon::chain(&error), "a report cannot be stored");
            Reception::NotTaken
        }
    }
}
