//! The one copy of what is desired, and those who follow it.
//!
//! One writer (the watch, or the file of the last run) applies replies; any number of
//! subscriptions learn *which* objects changed and read them when they get to it. A subscription
//! gathers keys while its owner is busy, so a slow reader sees one merged set and never a queue.

use crate::desired::Desired;
use crate::dirty::Dirty;
use iroko_agent_wire::DesiredReply;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Shared {
    desired: RwLock<Desired>,
    subscribers: Mutex<Vec<Weak<Pending>>>,
}

#[derive(Debug, Default)]
struct Pending {
    dirty: Mutex<Dirty>,
    wake: Notify,
}

/// Cheap to clone; all clones share one copy of what is desired.
#[derive(Debug, Clone, Default)]
pub struct DesiredHandle(Arc<Shared>);

impl DesiredHandle {
    /// A handle on an empty, not yet known set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the current set. Hold the guard briefly and never over an `await`; specs are
    /// `Arc`s, so take clones of those out.
    pub fn read(&self) -> RwLockReadGuard<'_, Desired> {
        self.0.desired.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reply, wakes every subscription that it concerns, and says what changed.
    pub fn apply(&self, reply: &DesiredReply) -> Dirty {
        let dirty = self.0.desired.write().unwrap_or_else(PoisonError::into_inner).apply(reply);
        if dirty.is_empty() {
            return dirty;
        }
        let mut subscribers = self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| {
            let Some(pending) = subscriber.upgrade() else { return false };
            pending.dirty.lock().unwrap_or_else(PoisonError::into_inner).merge(&dirty);
            pending.wake.notify_one();
            true
        });
        dirty
    }

    /// A new subscription. Its first look is at everything, if anything is known.
    pub fn subscribe(&self) -> Subscription {
        let pending = Arc::new(Pending::default());
        self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pending));
        if self.read().known {
            pending.dirty.lock().unwrap_or_else(PoisonError::into_inner).all = true;
            pending.wake.notify_one();
        }
        Subscription { pending }
    }
}

/// Tells one reader what changed since it last asked.
#[derive(Debug)]
pub struct Subscription {
    pending: Arc<Pending>,
}

impl Subscription {
    /// Waits until something changed and returns all of it. Safe to drop half-way.
    pub async fn changed(&mut self) -> Dirty {
        loop {
            let wake = self.pending.wake.notified();
            let dirty = std::mem::take(&mut *self.pending.dirty.lock().unwrap_or_else(PoisonError::into_inner));
            if !dirty.is_empty() {
                return dirty;
            }
            wake.await;
        }
    }
}
