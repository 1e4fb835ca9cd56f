//! Signals between processes: `NOTIFY` as accelerator, polling as truth.
//!
//! A NOTIFY inside a transaction takes a lock that serialises all commits of the cluster. So the
//! signal is sent after the commit, by one task per process that folds many commits into one NOTIFY.
//! If the process dies between commit and signal, listeners find the change at their next poll.

use crate::error::Result;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

const CHANNEL: &str = "iroko";

/// Sends signals. Cheap to clone; its task ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    due: Arc<Notify>,
    _task: Arc<DropGuard>,
}

impl Waker {
    pub(crate) fn spawn(pool: PgPool) -> Self {
        let due = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(send(pool, due.clone())));
        Self { due, _task: Arc::new(stop.drop_guard()) }
    }

    pub(crate) fn wake(&self) {
        self.due.notify_one();
    }
}

async fn send(pool: PgPool, due: Arc<Notify>) {
    loop {
        due.notified().await;
        if let Err(error) = sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&pool).await {
            tracing::debug!(%error, "a signal was not sent; listeners will find the change by polling");
        }
    }
}

/// Receives signals.
#[derive(Debug)]
pub struct Signals(PgListener);

impl Signals {
    pub(crate) async fn listen(pool: &PgPool) -> Result<Self> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Self(listener))
    }

    /// Returns at a signal, at a broken connection (something may have been missed), or after
    /// `at_most`. Signals that piled up count as one.
    pub async fn wait(&mut self, at_most: Duration) {
        let first = tokio::time::timeout(at_most, self.0.try_recv()).await;
        if let Ok(Err(error)) = first {
            tracing::warn!(%error, "lost the connection that listens for signals");
            tokio::time::sleep(at_most.min(Duration::from_secs(1))).await;
        }
        while self.0.next_buffered().is_some() {}
    }
}
