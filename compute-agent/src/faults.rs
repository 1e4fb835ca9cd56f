//! Faults on purpose, for tests and simulations: the fakes pass every operation through here.
//!
//! An operation can be made to fail, or to never return (before or after its effect), as if the
//! agent were killed at that line.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What happens at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails without effect.
    Fail,
    /// It never begins.
    HangBefore,
    /// It takes effect and never returns.
    HangAfter,
}

#[derive(Debug, Default)]
struct Plan {
    count: u64,
    at: HashMap<u64, Fault>,
    verbs: HashMap<&'static str, u64>,
    failing: HashMap<&'static str, u64>,
}

/// Counts operations and disturbs those it was told to. Shared by the fakes of one host.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
    hung: Notify,
}

/// Lets the operation take effect, and may hang after it.
#[must_use]
pub(crate) struct Passed(Option<Fault>);

/// The operation was made to fail.
#[derive(Debug, thiserror::Error)]
#[error("a fault on purpose")]
pub struct Injected;

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations so far.
    pub fn count(&self) -> u64 {
        self.plan().count
    }

    /// How often one verb was used.
    pub fn count_of(&self, verb: &str) -> u64 {
        self.plan().verbs.get(verb).copied().unwrap_or(0)
    }

    /// Disturbs the operation with this number, the first being 0.
    pub fn at(&self, number: u64, fault: Fault) {
        self.plan().at.insert(number, fault);
    }

    /// The next `times` uses of this verb fail.
    pub fn fail(&self, verb: &'static str, times: u64) {
        self.plan().failing.insert(verb, times);
    }

    /// No more faults; counting goes on.
    pub fn clear(&self) {
        let mut plan = self.plan();
        plan.at.clear();
        plan.failing.clear();
    }

    /// Waits until an operation hangs.
    pub async fn hung(&self) {
        self.hung.notified().await;
    }

    pub(crate) async fn enter(&self, verb: &'static str) -> Result<Passed, Injected> {
        let fault = self.next_fault(verb);
        match fault {
            Some(Fault::Fail) => Err(Injected),
            Some(Fault::HangBefore) => self.hang().await,
            Some(Fault::HangAfter) | None => Ok(Passed(fault)),
        }
    }

    pub(crate) async fn leave(&self, passed: Passed) {
        if passed.0.is_some() {
            self.hang().await
        }
    }

    fn next_fault(&self, verb: &'static str) -> Option<Fault> {
        let mut plan = self.plan();
        let number = plan.count;
        plan.count += 1;
        *plan.verbs.entry(verb).or_default() += 1;
        if let Some(left) = plan.failing.get_mut(verb).filter(|left| **left > 0) {
            *left -= 1;
            return Some(Fault::Fail);
        }
        plan.at.remove(&number)
    }

    async fn hang<T>(&self) -> T {
        self.hung.notify_one();
        std::future::pending().await
    }
}
