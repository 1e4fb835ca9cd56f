//! Signals between processes: `NOTIFY` as accelerator, polling as truth.
//!
//! A NOTIFY inside a transaction takes a lock that serialises all commits of the cluster. So the
//! signal is sent after the commit, by one task per process that folds many commits into one NOTIFY.
//! If the process dies between commit and signal, listeners find the change at their next poll.

use crate::error::Result;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

const CHANNEL: &str = "iroko";

/// Whom a commit concerns. Telling too many costs them a look, telling too few a wait until they poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Wake {
    /// Nobody waits for it.
    Nobody = 0,
    /// Those who read the outbox.
    Outbox = 1,
    /// The scheduler: something waits for a host, or room was freed.
    Scheduler = 2,
    /// Everybody.
    All = 3,
}

impl Wake {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Nobody,
            1 => Self::Outbox,
            2 => Self::Scheduler,
            _ => Self::All,
        }
    }

    const fn meets(self, other: Self) -> bool {
        self as u8 & other as u8 != 0
    }

    const fn payload(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Scheduler => "scheduler",
            Self::Nobody | Self::All => "",
        }
    }

    fn of_payload(text: &str) -> Self {
        match text {
            "outbox" => Self::Outbox,
            "scheduler" => Self::Scheduler,
            _ => Self::All,
        }
    }
}

/// Sends signals. Cheap to clone; its task ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    due: Arc<Due>,
    _task: Arc<DropGuard>,
}

#[derive(Debug, Default)]
struct Due {
    whom: AtomicU8,
    notify: Notify,
}

impl Waker {
    pub(crate) fn spawn(pool: PgPool) -> Self {
        let due = Arc::new(Due::default());
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(send(pool, due.clone())));
        Self { due, _task: Arc::new(stop.drop_guard()) }
    }

    pub(crate) fn wake(&self, whom: Wake) {
        if whom != Wake::Nobody {
            self.due.whom.fetch_or(whom as u8, Ordering::AcqRel);
            self.due.notify.notify_one();
        }
    }
}

async fn send(pool: PgPool, due: Arc<Due>) {
    loop {
        due.notify.notified().await;
        let whom = Wake::from_bits(due.whom.swap(0, Ordering::AcqRel));
        if whom == Wake::Nobody {
            continue;
        }
        let sent = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(whom.payload()).execute(&pool);
        if let Err(error) = sent.await {
            tracing::debug!(%error, "a signal was not sent; listeners will find the change by polling");
        }
    }
}

/// Receives signals.
#[derive(Debug)]
pub struct Signals {
    listener: PgListener,
    of: Wake,
}

impl Signals {
    pub(crate) async fn listen(pool: &PgPool, of: Wake) -> Result<Self> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Self { listener, of })
    }

    /// Returns at a signal that concerns the listener, at a broken connection (something may have been
    /// missed), or after `at_most`. Signals that piled up count as one.
    pub async fn wait(&mut self, at_most: Duration) {
        let first = tokio::time::timeout(at_most, self.first()).await;
        if let Ok(Err(error)) = first {
            tracing::warn!(%error, "lost the connection that listens for signals");
            tokio::time::sleep(at_most.min(Duration::from_secs(1))).await;
        }
        while self.listener.next_buffered().is_some() {}
    }

    async fn first(&mut self) -> std::result::Result<(), sqlx::Error> {
        loop {
            match self.listener.try_recv().await? {
                Some(signal) if !Wake::of_payload(signal.payload()).meets(self.of) => {}
                _ => return Ok(()),
            }
        }
    }
}
