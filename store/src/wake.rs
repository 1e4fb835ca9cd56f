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
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

const CHANNEL: &str = "iroko";
/// Wait before a connection that was lost is made anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

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

/// Receives signals. Cheap: all of a process hear by one connection.
#[derive(Debug)]
pub struct Signals {
    heard: watch::Receiver<Heard>,
    of: Wake,
    /// What was heard when the last wait returned.
    seen: Heard,
    _listener: Arc<Listener>,
}

impl Signals {
    /// Returns at a signal that concerns the listener, at a broken connection (something may have been
    /// missed), or after `at_most`. Signals that piled up count as one.
    pub async fn wait(&mut self, at_most: Duration) {
        let (of, seen) = (self.of, self.seen);
        let _ = tokio::time::timeout(at_most, self.heard.wait_for(|heard| heard.is_news(of, seen))).await;
        self.seen = *self.heard.borrow();
    }
}

/// How many signals of each kind were heard so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Heard {
    outbox: u64,
    scheduler: u64,
}

impl Heard {
    fn add(&mut self, wake: Wake) {
        self.outbox += u64::from(wake.meets(Wake::Outbox));
        self.scheduler += u64::from(wake.meets(Wake::Scheduler));
    }

    const fn is_news(self, of: Wake, seen: Self) -> bool {
        of.meets(Wake::Outbox) && self.outbox != seen.outbox
            || of.meets(Wake::Scheduler) && self.scheduler != seen.scheduler
    }
}

/// The one connection of a process that listens, whatever the number of those who wait for signals. It is made
/// when the first of them comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listening(Arc<tokio::sync::OnceCell<Arc<Listener>>>);

#[derive(Debug)]
struct Listener {
    heard: watch::Sender<Heard>,
    stop: CancellationToken,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Listening {
    /// Signals from now on: what is committed after this returns is heard.
    pub(crate) async fn subscribe(&self, pool: &PgPool, of: Wake) -> Result<Signals> {
        let listener = self.0.get_or_try_init(|| Listener::start(pool)).await?;
        let heard = listener.heard.subscribe();
        let seen = *heard.borrow();
        Ok(Signals { heard, of, seen, _listener: listener.clone() })
    }
}

impl Listener {
    async fn start(pool: &PgPool) -> Result<Arc<Self>> {
        let mut connection = PgListener::connect_with(pool).await?;
        connection.listen(CHANNEL).await?;
        let (heard, stop) = (watch::Sender::new(Heard::default()), CancellationToken::new());
        tokio::spawn(stop.clone().run_until_cancelled_owned(hear(connection, heard.clone())));
        Ok(Arc::new(Self { heard, stop }))
    }
}

/// Passes signals on. [`PgListener`] connects again by itself; what it may have missed meanwhile counts as a
/// signal for everybody.
async fn hear(mut connection: PgListener, heard: watch::Sender<Heard>) {
    loop {
        let wake = match connection.try_recv().await {
            Ok(Some(signal)) => Wake::of_payload(signal.payload()),
            Ok(None) => Wake::All,
            Err(error) => {
                tracing::warn!(%error, "lost the connection that listens for signals");
                tokio::time::sleep(LISTEN_AGAIN).await;
                Wake::All
            }
        };
        heard.send_modify(|heard| heard.add(wake));
    }
}
