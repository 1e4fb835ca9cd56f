//! The fence around libvirt, whose every call may block for as long as it likes.
//!
//! ```text
//!  call ──try_send──> bounded queue ──> worker threads, one connection each ──oneshot──> caller
//!    │ full: Busy                        dead connection: dropped, opened again      │ late: Unknown
//! ```
//!
//! A call nobody waits for any more is not begun. One that was begun goes on after its caller left:
//! until it ends, its instance is busy, so that no two calls on one instance ever overlap.

use super::connection::Connection;
use super::domain::Failed;
use crate::hypervisor::HypervisorError;
use iroko_model::InstanceId;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Worker) + Send>;
type Busy = Arc<Mutex<HashSet<InstanceId>>>;

/// Why the threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("a thread for libvirt could not be started")]
pub struct FenceError(#[from] pub(super) io::Error);

/// Cheap to clone; the threads end with the last clone.
#[derive(Clone)]
pub(super) struct Fence {
    queue: SyncSender<Job>,
    busy: Busy,
}

/// A thread that may block.
struct Worker {
    uri: String,
    connection: Option<Connection>,
}

/// The mark of an instance that a call is queued or running for.
struct Claim(Busy, InstanceId);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Fence {
    pub(super) fn start(uri: &str, workers: usize, queue: usize) -> Result<Self, FenceError> {
        let (sender, receiver) = sync_channel::<Job>(queue.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..workers.max(1) {
            let (uri, receiver) = (uri.to_owned(), receiver.clone());
            thread::Builder::new()
                .name(format!("libvirt-{number}"))
                .spawn(move || Worker { uri, connection: None }.run(&receiver))?;
        }
        Ok(Self { queue: sender, busy: Busy::default() })
    }

    /// Runs `act` on a worker's connection and waits at most `timeout` for its outcome.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        verb: &'static str,
        id: Option<InstanceId>,
        timeout: Duration,
        act: impl FnOnce(&Connection) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, HypervisorError> {
        let claim = id.map(|id| self.claim(id).ok_or(HypervisorError::Busy)).transpose()?;
        let (reply, answer) = oneshot::channel();
        let job = move |worker: &mut Worker| {
            if reply.is_closed() {
                return;
            }
            let outcome = worker.run_one(verb, act);
            drop(claim);
            let _ = reply.send(outcome);
        };
        match self.queue.try_send(Box::new(job)) {
            Err(TrySendError::Full(_)) => return Err(HypervisorError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(unknown(verb, None)),
            Ok(()) => {}
        }
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            // The worker panicked, or the answer is late.
            Ok(Err(_)) | Err(_) => Err(unknown(verb, None)),
        }
    }

    fn claim(&self, id: InstanceId) -> Option<Claim> {
        let free = self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        free.then(|| Claim(self.busy.clone(), id))
    }
}

impl Worker {
    fn run(mut self, queue: &Mutex<Receiver<Job>>) {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            if catch_unwind(AssertUnwindSafe(|| job(&mut self))).is_err() {
                tracing::error!("a call into libvirt panicked; its connection is given up");
                self.connection = None;
            }
        }
    }

    fn run_one<T>(
        &mut self,
        verb: &'static str,
        act: impl FnOnce(&Connection) -> Result<T, Failed>,
    ) -> Result<T, HypervisorError> {
        let connection = self.connected()?;
        match act(connection) {
            Ok(done) => Ok(done),
            Err(Failed::Foreign(id)) => Err(HypervisorError::Foreign(id)),
            // On a connection that broke under the call, the call may or may not have worked.
            Err(Failed::Libvirt(error)) if !connection.is_alive() => {
                self.connection = None;
                Err(unknown(verb, Some(error)))
            }
            Err(Failed::Libvirt(error)) => Err(HypervisorError::Refused { verb, source: Box::new(error) }),
        }
    }

    /// The worker's connection, opened anew where there is none or the daemon went away.
    fn connected(&mut self) -> Result<&Connection, HypervisorError> {
        if self.connection.as_ref().is_some_and(|connection| !connection.is_alive()) {
            tracing::info!("the connection to libvirt is dead; it is opened again");
            self.connection = None;
        }
        let opened = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.uri).map_err(|error| HypervisorError::Unreachable(Box::new(error)))?,
        };
        Ok(self.connection.insert(opened))
    }
}

fn unknown(verb: &'static str, error: Option<virt::error::Error>) -> HypervisorError {
    HypervisorError::Unknown { verb, source: error.map(|error| Box::new(error) as _) }
}
