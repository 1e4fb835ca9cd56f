//! A hypervisor in memory. It is the world, not the agent: domains survive the agent over it.
//!
//! It checks what the real one cannot: that no two calls on one instance overlap, and counts what
//! was done to each.

use super::{DomainState, Hypervisor, HypervisorError};
use crate::definition::Definition;
use crate::faults::{Faults, Passed};
use iroko_model::InstanceId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How guests behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// They switch off when asked.
    Obedient,
    /// They ignore the power button.
    Deaf,
}

#[derive(Debug, Clone, Default)]
struct Domain {
    state: Option<DomainState>,
    starts: u64,
    defined: Option<Definition>,
    started: Option<Definition>,
}

#[derive(Debug, Default)]
struct World {
    domains: HashMap<InstanceId, Domain>,
    busy: HashSet<InstanceId>,
    overlaps: u64,
    changes: u64,
    refuse_start: HashSet<InstanceId>,
    foreign: HashSet<InstanceId>,
}

/// The hypervisor of a simulated host.
#[derive(Debug)]
pub struct FakeHypervisor {
    world: Mutex<World>,
    faults: Arc<Faults>,
    latency: Duration,
    guests: Mutex<Guests>,
    hints: mpsc::UnboundedSender<InstanceId>,
    hinted: tokio::sync::Mutex<mpsc::UnboundedReceiver<InstanceId>>,
}

impl Default for FakeHypervisor {
    fn default() -> Self {
        Self::new()
    }
}

/// Marks an instance as being worked on; ends with the call, also one that is dropped.
struct Working<'a>(&'a FakeHypervisor, InstanceId);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.lock().busy.remove(&self.1);
    }
}

impl FakeHypervisor {
    /// A hypervisor without domains, faults or latency.
    pub fn new() -> Self {
        Self::with(Arc::default(), Duration::ZERO)
    }

    /// A hypervisor that disturbs calls as `faults` says and takes `latency` for each change.
    pub fn with(faults: Arc<Faults>, latency: Duration) -> Self {
        let (hints, hinted) = mpsc::unbounded_channel();
        let hinted = tokio::sync::Mutex::new(hinted);
        Self { world: Mutex::default(), faults, latency, guests: Mutex::new(Guests::Obedient), hints, hinted }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How guests behave from now on.
    pub fn guests(&self, guests: Guests) {
        *self.guests.lock().unwrap_or_else(PoisonError::into_inner) = guests;
    }

    /// Refuses to start this instance, or does so no longer.
    pub fn refuse_start(&self, id: InstanceId, refuse: bool) {
        let mut world = self.lock();
        if refuse {
            world.refuse_start.insert(id)
        } else {
            world.refuse_start.remove(&id)
        };
    }

    /// A domain with this instance's identity that is not ours.
    pub fn add_foreign(&self, id: InstanceId) {
        self.lock().foreign.insert(id);
    }

    /// What an instance does; `None` where it is not defined.
    pub fn peek(&self, id: InstanceId) -> Option<DomainState> {
        self.lock().domains.get(&id).and_then(|domain| domain.state)
    }

    /// How often an instance was started, also before it was last undefined.
    pub fn starts(&self, id: InstanceId) -> u64 {
        self.lock().domains.get(&id).map_or(0, |domain| domain.starts)
    }

    /// Defined domains.
    pub fn len(&self) -> usize {
        self.lock().domains.values().filter(|domain| domain.state.is_some()).count()
    }

    /// True where nothing is defined.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls that changed something.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Calls that began while another on the same instance had not ended. Always 0.
    pub fn overlaps(&self) -> u64 {
        self.lock().overlaps
    }

    /// Something happens to an instance without the agent. `hint`: the agent is told.
    pub fn happen(&self, id: InstanceId, state: Option<DomainState>, hint: bool) {
        self.lock().domains.entry(id).or_default().state = state;
        if hint {
            let _ = self.hints.send(id);
        }
    }

    /// The host restarts: everything is off, nothing is forgotten.
    pub fn reboot_host(&self) {
        for domain in self.lock().domains.values_mut() {
            domain.state = domain.state.map(|_| DomainState::Off);
        }
    }

    async fn begin(&self, verb: &'static str, id: InstanceId) -> Result<(Working<'_>, Passed), HypervisorError> {
        let overlaps = {
            let mut world = self.lock();
            let overlaps = !world.busy.insert(id);
            world.overlaps += u64::from(overlaps);
            overlaps
        };
        debug_assert!(!overlaps, "{verb} while another call on {id} runs");
        let working = Working(self, id);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let passed = self.faults.enter(verb).await;
        let passed = passed.map_err(|fault| HypervisorError::Refused { verb, source: Box::new(fault) })?;
        if self.lock().foreign.contains(&id) {
            return Err(HypervisorError::Foreign(id));
        }
        Ok((working, passed))
    }

    async fn change(
        &self,
        verb: &'static str,
        id: InstanceId,
        act: impl FnOnce(&mut Domain) + Send,
    ) -> Result<(), HypervisorError> {
        let (_working, passed) = self.begin(verb, id).await?;
        {
            let mut world = self.lock();
            world.changes += 1;
            act(world.domains.entry(id).or_default());
        }
        self.faults.leave(passed).await;
        Ok(())
    }

    fn refused(verb: &'static str, why: &'static str) -> HypervisorError {
        HypervisorError::Refused { verb, source: why.into() }
    }
}

#[async_trait::async_trait]
impl Hypervisor for FakeHypervisor {
    async fn list(&self) -> Result<HashMap<InstanceId, DomainState>, HypervisorError> {
        let world = self.lock();
        Ok(world.domains.iter().filter_map(|(id, domain)| Some((*id, domain.state?.without_reason()))).collect())
    }

    async fn state(&self, id: InstanceId) -> Result<Option<DomainState>, HypervisorError> {
        Ok(self.peek(id))
    }

    async fn definition(&self, id: InstanceId) -> Result<Option<Definition>, HypervisorError> {
        let world = self.lock();
        let domain = world.domains.get(&id);
        Ok(domain.and_then(|domain| match domain.state? {
            DomainState::Off | DomainState::ShutDown => domain.defined.clone(),
            _ => domain.started.clone(),
        }))
    }

    async fn define(&self, id: InstanceId, xml: &str) -> Result<(), HypervisorError> {
        self.change("define", id, |domain| {
            domain.state.get_or_insert(DomainState::Off);
            domain.defined = Definition::read(xml);
        })
        .await
    }

    async fn start(&self, id: InstanceId) -> Result<(), HypervisorError> {
        if self.lock().refuse_start.contains(&id) {
            return Err(Self::refused("start", "it was told to"));
        }
        if self.peek(id).is_none() {
            return Err(Self::refused("start", "no such domain"));
        }
        self.change("start", id, |domain| {
            if matches!(domain.state, Some(DomainState::Off | DomainState::ShutDown)) {
                domain.state = Some(DomainState::Running);
                domain.starts += 1;
                domain.started.clone_from(&domain.defined);
            }
        })
        .await
    }

    async fn resume(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.change("resume", id, |domain| {
            if matches!(domain.state, Some(DomainState::Paused | DomainState::NoRoom)) {
                domain.state = Some(DomainState::Running);
            }
        })
        .await
    }

    async fn shutdown(&self, id: InstanceId) -> Result<(), HypervisorError> {
        let guests = *self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        self.change("shutdown", id, |domain| {
            if guests == Guests::Obedient && domain.state == Some(DomainState::Running) {
                domain.state = Some(DomainState::ShutDown);
            }
        })
        .await
    }

    async fn destroy(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.change("destroy", id, |domain| domain.state = domain.state.map(|_| DomainState::Off)).await
    }

    async fn undefine(&self, id: InstanceId) -> Result<(), HypervisorError> {
        self.change("undefine", id, |domain| domain.state = None).await
    }

    async fn hint(&self) -> InstanceId {
        match self.hinted.lock().await.recv().await {
            Some(id) => id,
            None => std::future::pending().await,
        }
    }
}
