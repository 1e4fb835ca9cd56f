//! A kernel in memory, for simulated hosts and for tests of the reconciler.
//!
//! It holds the very state that planning compares, so it is as cheap as a map: no process, no
//! device, no file. Latency and faults can be asked for.

use crate::apply::note;
use crate::conntrack::Flow;
use crate::kernel::{Kernel, KernelError};
use crate::object::{Key, State};
use crate::plan::Action;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Cheap to clone; all clones are one kernel.
#[derive(Debug, Clone, Default)]
pub struct Fake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    latency: Mutex<Duration>,
    faults: Mutex<Faults>,
    actions: AtomicU64,
    flows: Mutex<Vec<Flow>>,
    flows_read: AtomicU64,
}

#[derive(Debug, Default)]
struct Faults {
    /// Fail when this many more calls have been made; 0 is off.
    countdown: u64,
    /// Fail whatever is about this thing.
    always: Option<Key>,
}

impl Fake {
    /// A host with nothing on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every change takes this long.
    pub fn set_latency(&self, latency: Duration) {
        *self.0.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    /// The `n`-th change from now on fails, once; 1 is the next one.
    pub fn fail_nth(&self, n: u64) {
        self.faults().countdown = n;
    }

    /// Whether the fault of [`Self::fail_nth`] is still to come.
    pub fn is_armed(&self) -> bool {
        self.faults().countdown > 0
    }

    /// Every change of this thing fails, until told otherwise.
    pub fn fail_always(&self, key: Option<Key>) {
        self.faults().always = key;
    }

    /// How many actions were asked for so far.
    pub fn actions(&self) -> u64 {
        self.0.actions.load(Ordering::Relaxed)
    }

    /// Flows that there are from now on.
    pub fn set_flows(&self, flows: Vec<Flow>) {
        *self.0.flows.lock().unwrap_or_else(PoisonError::into_inner) = flows;
    }

    /// Which of these are cut.
    pub fn is_cut(&self) -> Vec<bool> {
        let flows = self.0.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.iter().map(|flow| flow.is_cut).collect()
    }

    /// How often the table of flows was read.
    pub fn flows_read(&self) -> u64 {
        self.0.flows_read.load(Ordering::Relaxed)
    }

    /// A copy of what is there.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Looks at what is there, without a copy.
    pub fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.lock())
    }

    /// Lets a test break things by hand.
    pub fn tamper(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change(&self, actions: &[Action]) -> Result<(), KernelError> {
        let latency = *self.0.latency.lock().unwrap_or_else(PoisonError::into_inner);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        self.0.actions.fetch_add(u64::try_from(actions.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.fault(actions)?;
        let mut state = self.lock();
        actions.iter().for_each(|action| note(action, &mut state));
        Ok(())
    }

    fn fault(&self, actions: &[Action]) -> Result<(), KernelError> {
        let mut faults = self.faults();
        if let Some(key) = actions.iter().map(Action::key).find(|key| faults.always.as_ref() == Some(key)) {
            return Err(KernelError::Injected(format!("{key} always fails")));
        }
        match faults.countdown {
            0 => return Ok(()),
            1 => faults.countdown = 0,
            _ => {
                faults.countdown -= 1;
                return Ok(());
            }
        }
        Err(KernelError::Injected("this step fails once".to_owned()))
    }
}

#[async_trait::async_trait]
impl Kernel for Fake {
    async fn observe(&self) -> Result<State, KernelError> {
        Ok(self.state())
    }

    async fn filter(&self, actions: &[Action]) -> Result<(), KernelError> {
        self.change(actions).await
    }

    async fn act(&self, action: &Action) -> Result<(), KernelError> {
        self.change(std::slice::from_ref(action)).await
    }

    async fn flows(&self) -> Result<Vec<Flow>, KernelError> {
        self.0.flows_read.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.flows.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn mark(&self, marks: Vec<(Flow, bool)>) -> Result<(), KernelError> {
        let mut flows = self.0.flows.lock().unwrap_or_else(PoisonError::into_inner);
        for (marked, cut) in marks {
            flows.iter_mut().filter(|flow| **flow == marked).for_each(|flow| flow.is_cut = cut);
        }
        Ok(())
    }
}
