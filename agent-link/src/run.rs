//! An agent's life on the link.
//!
//! ```text
//!   start: last desired state from disk ──> DesiredHandle (the agent works from here on)
//!     │
//!     └─ enrolled? ──no──> enrol (again and again until the control plane answers)
//!          │yes
//!          v
//!        session ──> watch ──> apply, keep on disk     side by side, each with its own back-off;
//!          ^    └──> report, heartbeat                 a stale session ends both
//!          └───────────────┘
//! ```

use crate::backoff::Backoff;
use crate::config::LinkConfig;
use crate::handle::DesiredHandle;
use crate::identity::{Identity, IdentityError};
use crate::link::{Link, LinkError};
use crate::persist::{Persist, PersistError};
use crate::reporter::Reporter;
use iroko_agent_wire::{DesiredReply, OrphanObservation, PortSpec, Report, SessionReply, SessionRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a report waits for more to say.
const GATHER: Duration = Duration::from_millis(5);
/// Back-off of every call.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const MOST_WAIT: Duration = Duration::from_secs(15);
/// How often the certificate's age is looked at.
const RENEW_LOOK: Duration = Duration::from_secs(600);

/// What runs after [`start`].
#[derive(Debug)]
pub struct Running {
    /// What is desired of this host.
    pub desired: DesiredHandle,
    /// Where to say what was seen.
    pub reporter: Reporter,
    /// The link, as a source of images.
    pub link: Link,
    /// Who this agent is.
    pub identity: Identity,
    /// Ends when `shutdown` is cancelled.
    pub task: JoinHandle<()>,
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No identity, and no way to one.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The files of the last run.
    #[error(transparent)]
    Persist(#[from] PersistError),
}

/// Starts the link. Returns as soon as the agent knows who it is: at once if it has enrolled
/// before, with or without a control plane. `persistent`: keep the desired state on disk (simulated
/// hosts do not).
pub async fn start(
    config: LinkConfig,
    session: SessionRequest,
    persistent: bool,
    shutdown: CancellationToken,
) -> Result<Running, StartError> {
    let (desired, reporter) = (DesiredHandle::new(), Reporter::new());
    let persist = if persistent { Some(Persist::open(&config.state_dir, &desired)?) } else { None };
    let identity = identity(&config, &session, persistent).await?;
    let link = Link::new(&config.control_plane, session.agent, &identity)?;
    let life = Life {
        link: link.clone(),
        session,
        desired: desired.clone(),
        reporter: reporter.clone(),
        host_name: config.host_name,
        identity: identity.clone(),
        state_dir: persistent.then_some(config.state_dir),
    };
    let task = tokio::spawn(async move {
        shutdown.run_until_cancelled(life.live(persist)).await;
    });
    Ok(Running { desired, reporter, link, identity, task })
}

async fn identity(config: &LinkConfig, session: &SessionRequest, keep: bool) -> Result<Identity, IdentityError> {
    if keep && let Some(identity) = Identity::load(&config.state_dir)? {
        return Ok(identity);
    }
    let mut backoff = Backoff::new(FIRST_WAIT, MOST_WAIT);
    loop {
        match Identity::enrol(config, session.agent).await {
            Ok(identity) => {
                if keep {
                    identity.save(&config.state_dir)?;
                }
                return Ok(identity);
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %chain(&error), "enrolment must wait");
                tokio::time::sleep(backoff.next_wait()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

struct Life {
    link: Link,
    session: SessionRequest,
    desired: DesiredHandle,
    reporter: Reporter,
    host_name: String,
    identity: Identity,
    state_dir: Option<PathBuf>,
}

impl Life {
    async fn live(mut self, mut persist: Option<Persist>) {
        let mut backoff = Backoff::new(FIRST_WAIT, MOST_WAIT);
        loop {
            match self.link.session(&self.session).await {
                Ok(session) => {
                    tracing::info!(incarnation = session.incarnation, "the control plane is there");
                    backoff.reset();
                    self.tell_orphan_ports();
                    self.reporter.resend_all();
                    let ended = tokio::select! {
                        ended = self.watch(&mut persist) => ended,
                        ended = self.report(&session) => ended,
                        identity = self.renew() => { self.identity = identity; continue },
                    };
                    tracing::warn!(error = %chain(&ended), "the session ended");
                }
                Err(error) => tracing::warn!(error = %chain(&error), "no session"),
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Takes changes until the agent is refused.
    async fn watch(&self, persist: &mut Option<Persist>) -> LinkError {
        let mut backoff = Backoff::new(FIRST_WAIT, MOST_WAIT);
        // A full answer is all there is, whole or not; only after a delta is it worth while to ask again.
        let mut was_full = false;
        loop {
            let after = self.after(was_full);
            match self.link.desired(&after).await {
                Ok(reply) => {
                    backoff.reset();
                    was_full = reply.full;
                    self.take(&reply, persist);
                }
                Err(error @ (LinkError::Refused | LinkError::Stale)) => return error,
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "the watch broke");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    /// The revision to ask from; none where something is missing, so that everything is told again.
    fn after(&self, was_full: bool) -> String {
        let desired = self.desired.read();
        if desired.is_of_other_release {
            tracing::info!("what is known was written by another release; asking for everything");
            return String::new();
        }
        if desired.is_whole() || was_full {
            return desired.revision.clone();
        }
        tracing::error!(
            revision = desired.revision,
            "a port is wanted on a network that did not arrive; asking for everything"
        );
        String::new()
    }

    /// Tells what ports the agent keeps though nobody named them. Instances are told by whoever looks at them.
    fn tell_orphan_ports(&self) {
        let desired = self.desired.read();
        let port = |port: &Arc<PortSpec>| OrphanObservation {
            instance_id: port.instance_id,
            port_id: Some(port.id),
            network_id: Some(port.network_id),
            is_there: true,
            is_running: false,
            spec: None,
        };
        let ports = desired.orphan_ports.iter().filter_map(|id| desired.ports.get(id)).map(port).collect();
        self.reporter.orphan_ports(ports);
    }

    fn take(&self, reply: &DesiredReply, persist: &mut Option<Persist>) {
        self.desired.apply(reply);
        self.tell_orphan_ports();
        if reply.full {
            // Whoever was told of them may be gone, and what it said lost.
            self.reporter.resend_orphans();
        }
        if reply.full || !reply.changes.is_empty() {
            // Without the file the agent still does its work; only a restart without control plane
            // would find an older state.
            if let Some(Err(error)) = persist.as_mut().map(|p| p.keep(reply, &self.desired)) {
                tracing::error!(error = %chain(&error), "the desired state was not kept on disk");
            }
        }
        if !reply.consoles_wanted.is_empty() {
            self.reporter.want_consoles(reply.consoles_wanted.iter().copied().collect());
        }
    }

    /// Tells what was seen, and at least three times a lease that the agent is there.
    async fn report(&self, session: &SessionReply) -> LinkError {
        let heartbeat = Duration::from_secs(session.lease_s) / 4;
        let mut backoff = Backoff::new(FIRST_WAIT, MOST_WAIT.min(heartbeat));
        let mut sequence = 0;
        // Grows again with each report that arrives.
        let mut most = Report::MAX;
        loop {
            if tokio::time::timeout(heartbeat, self.reporter.wait_unsent()).await.is_ok() {
                tokio::time::sleep(GATHER).await;
            }
            let batch = self.reporter.batch(most);
            sequence += 1;
            let report = Report {
                agent: self.link.kind(),
                incarnation: session.incarnation,
                sequence,
                instances: batch.instances.clone(),
                ports: batch.ports.clone(),
                consoles: batch.consoles.clone(),
                orphans: batch.orphans.clone(),
                disk: batch.disk,
            };
            match self.link.report(&report).await {
                Ok(_) => {
                    backoff.reset();
                    self.reporter.sent(&batch);
                    most = Report::MAX.min(most * 2);
                }
                Err(error @ (LinkError::Refused | LinkError::Stale)) => return error,
                // It would not be taken the next time either: half of it may.
                Err(LinkError::NotTaken(status)) if batch.len() > 1 => {
                    tracing::warn!(status, observations = batch.len(), "a report was not taken; it is told in halves");
                    most = batch.len() / 2;
                }
                Err(LinkError::NotTaken(status)) if !batch.is_empty() => {
                    let dropped = self.reporter.drop_batch(&batch);
                    tracing::error!(
                        status,
                        dropped,
                        ?batch,
                        "an observation is not taken by the control plane; it is dropped"
                    );
                    most = 1;
                }
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "a report did not arrive");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    /// Renews the certificate when it is due, and returns the new identity.
    async fn renew(&self) -> Identity {
        loop {
            if OffsetDateTime::now_utc() >= self.identity.renew_at() {
                match self.renew_now().await {
                    Ok(identity) => return identity,
                    Err(error) => {
                        tracing::warn!(error = %chain(&*error), "the certificate was not renewed; trying again")
                    }
                }
            }
            tokio::time::sleep(RENEW_LOOK).await;
        }
    }

    async fn renew_now(&self) -> Result<Identity, Box<dyn std::error::Error + Send + Sync>> {
        let identity = self.link.renew(&self.identity, &self.host_name).await?;
        save(self.state_dir.as_deref(), &identity)?;
        self.link.become_identity(&identity)?;
        Ok(identity)
    }
}

fn save(state_dir: Option<&Path>, identity: &Identity) -> Result<(), IdentityError> {
    state_dir.map_or(Ok(()), |dir| identity.save(dir))
}

/// An error with all its causes, in one line for the log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
