//! Keeps one task an instance and wakes those that have something to do.
//!
//! Signals (a change of what is desired, a hint of the hypervisor) only say "look"; the periodic
//! pass, which compares *one* list of all domains with what the tasks last saw, is what makes sure.
//! While nothing is known of what is desired, everything on the host is left as it is.

use crate::host::{Host, Wanted};
use crate::hypervisor::DomainState;
use crate::instance::failure::chain;
use crate::instance::task::{InstanceTask, Mailbox};
use iroko_agent_link::Dirty;
use iroko_agent_wire::{ConsoleLog, ObjectKey};
use iroko_model::InstanceId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time for steps under way when the agent is asked to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// What one look at the whole host found.
struct Census {
    domains: HashMap<InstanceId, DomainState>,
    kept: Vec<InstanceId>,
}

pub(crate) struct Supervisor {
    host: Arc<Host>,
    instances: HashMap<InstanceId, Arc<Mailbox>>,
    tasks: JoinSet<InstanceId>,
    shutdown: CancellationToken,
}

impl Supervisor {
    pub(crate) fn new(host: Arc<Host>, shutdown: CancellationToken) -> Self {
        Self { host, instances: HashMap::new(), tasks: JoinSet::new(), shutdown }
    }

    pub(crate) async fn run(mut self) {
        let host = self.host.clone();
        let (found, mut census) = mpsc::channel(1);
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = self.serve(&mut census) => {}
            () = count(&host, &found) => {}
            () = consoles(&host) => {}
            () = shutdown.cancelled() => {}
        }
        self.farewell().await;
    }

    async fn serve(&mut self, census: &mut mpsc::Receiver<Census>) {
        let host = self.host.clone();
        let mut subscription = host.desired.subscribe();
        loop {
            tokio::select! {
                dirty = subscription.changed() => self.dirty(&dirty),
                Some(census) = census.recv() => self.compare(&census),
                id = host.hypervisor.hint() => self.wake(id),
                Some(ended) = self.tasks.join_next() => self.ended(ended),
            }
        }
    }

    fn dirty(&mut self, dirty: &Dirty) {
        if !dirty.all {
            for key in &dirty.keys {
                if let ObjectKey::Instance(id) = key {
                    self.ensure(*id);
                }
            }
            return;
        }
        let desired: HashSet<_> = self.host.desired.read().instances.keys().copied().collect();
        let ids: HashSet<_> = self.instances.keys().copied().chain(desired).collect();
        for id in ids {
            if self.is_news(id) {
                self.ensure(id);
            }
        }
    }

    /// False where the instance rests with the very spec that is desired now.
    fn is_news(&self, id: InstanceId) -> bool {
        let Some(rested) = self.instances.get(&id).and_then(|mailbox| mailbox.rested()) else { return true };
        match (self.host.wanted(id), rested.spec) {
            (Wanted::Spec(now), Some(then)) => now != then,
            _ => true,
        }
    }

    fn compare(&mut self, census: &Census) {
        if !self.host.desired.read().known {
            return;
        }
        for id in census.domains.keys().chain(&census.kept) {
            if !self.instances.contains_key(id) {
                self.ensure(*id);
            }
        }
        for (id, mailbox) in &self.instances {
            if mailbox
                .rested()
                .is_none_or(|rested| rested.domain.map(DomainState::without_reason) != census.domains.get(id).copied())
            {
                mailbox.wake();
            }
        }
    }

    /// Wakes the instance's task, which is made where there is none.
    fn ensure(&mut self, id: InstanceId) {
        if let Some(mailbox) = self.instances.get(&id) {
            return mailbox.wake();
        }
        let mailbox = Arc::new(Mailbox::default());
        self.instances.insert(id, mailbox.clone());
        self.tasks.spawn(InstanceTask::new(id, self.host.clone(), mailbox).run(self.shutdown.clone()));
    }

    fn wake(&self, id: InstanceId) {
        if let Some(mailbox) = self.instances.get(&id) {
            mailbox.wake();
        }
    }

    fn ended(&mut self, ended: Result<InstanceId, tokio::task::JoinError>) {
        match ended {
            Ok(id) => self.forget(id),
            // The next census or change finds instances without a task.
            Err(error) => {
                tracing::error!(error = chain(&error), "an instance's task died; it is started anew");
                let orphans: Vec<_> = self.instances.keys().copied().filter(|id| self.is_orphan(*id)).collect();
                orphans.into_iter().for_each(|id| self.forget(id));
            }
        }
    }

    /// True where no task holds the mailbox any more.
    fn is_orphan(&self, id: InstanceId) -> bool {
        self.instances.get(&id).is_some_and(|mailbox| Arc::strong_count(mailbox) == 1)
    }

    /// The task has ended; an instance that is wanted again meanwhile gets a new one.
    fn forget(&mut self, id: InstanceId) {
        self.instances.remove(&id);
        let again =
            matches!(self.host.wanted(id), Wanted::Spec(spec) if spec.power != iroko_model::instance::Power::Deleted);
        if again && !self.shutdown.is_cancelled() {
            self.ensure(id);
        }
    }

    async fn farewell(mut self) {
        self.shutdown.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::warn!("steps still under way at the end; the next start finds out how they went");
        }
    }
}

/// The periodic pass: looks at the whole host, passes on what it saw, and bounds what grows.
async fn count(host: &Host, found: &mpsc::Sender<Census>) {
    let mut tick = tokio::time::interval(host.config.poll_period());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match look(host).await {
            Ok(census) => drop(found.send(census).await),
            Err(error) => tracing::warn!(error = chain(&*error), "cannot look at the host"),
        }
        match host.storage.room().await {
            Ok(room) => host.reporter.disk(room),
            Err(error) => tracing::warn!(error = chain(&error), "cannot measure the host's disk"),
        }
        if let Err(error) = host.storage.tidy().await {
            tracing::warn!(error = chain(&error), "cannot tidy up");
        }
    }
}

async fn look(host: &Host) -> Result<Census, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Census { domains: host.hypervisor.list().await?, kept: host.storage.instances().await? })
}

/// Sends the consoles somebody waits for.
async fn consoles(host: &Host) {
    let mut wanted = host.reporter.consoles_wanted();
    loop {
        let ids: Vec<_> = wanted.borrow_and_update().iter().copied().collect();
        for id in ids {
            match host.storage.console_tail(id, ConsoleLog::MAX_BYTES).await {
                Ok(Some(tail)) => host.reporter.console(ConsoleLog { id, tail: crate::console::text(&tail) }),
                Ok(None) => {}
                Err(error) => tracing::warn!(%id, error = chain(&error), "cannot read the console log"),
            }
        }
        if wanted.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
