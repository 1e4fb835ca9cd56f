//! One thread's connection to the daemon: opened when needed, dropped when dead.
//!
//! The binding's destructors panic where the library reports an error while letting go, which a
//! dead daemon causes; [`let_go`] keeps such a panic from ending a worker.

use iroko_model::InstanceId;
use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use virt::connect::Connect;

/// An open connection, and what was learnt over it.
pub(super) struct Connection {
    connect: Option<Connect>,
    /// Domains whose mark was seen; saves a call a domain in every list.
    ours: RefCell<HashSet<InstanceId>>,
}

impl Connection {
    pub(super) fn open(uri: &str) -> Result<Self, virt::error::Error> {
        Ok(Self { connect: Some(Connect::open(Some(uri))?), ours: RefCell::default() })
    }

    pub(super) fn connect(&self) -> &Connect {
        self.connect.as_ref().expect("taken only by drop")
    }

    pub(super) fn is_alive(&self) -> bool {
        self.connect().is_alive().unwrap_or(false)
    }

    pub(super) fn is_known_ours(&self, id: InstanceId) -> bool {
        self.ours.borrow().contains(&id)
    }

    pub(super) fn learn(&self, id: InstanceId, ours: bool) {
        let mut known = self.ours.borrow_mut();
        if ours {
            known.insert(id)
        } else {
            known.remove(&id)
        };
    }

    /// Forgets domains that are no longer there.
    pub(super) fn retain(&self, there: impl Fn(&InstanceId) -> bool) {
        self.ours.borrow_mut().retain(there);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let_go(self.connect.take());
    }
}

/// Drops what may panic while it is dropped.
pub(super) fn let_go<T>(what: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(what))).is_err() {
        tracing::debug!("libvirt could not let go of a handle");
    }
}
