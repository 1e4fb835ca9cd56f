//! The calls an agent makes.

use crate::identity::{Identity, IdentityError, signing_request};
use crate::images::{ImageError, ImageSource, ImageStream};
use crate::tls;
use futures::{StreamExt, TryStreamExt};
use iroko_agent_wire::{
    AgentKind, ConnectionRecord, ConnectionReply, ConnectionReport, DesiredQuery, DesiredReply, EnrolReply, PortCounts,
    RenewRequest, Report, ReportReply, RuleCounts, SessionReply, SessionRequest, StatisticsReply, StatisticsReport,
};
use iroko_model::ImageId;
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Longest time without a byte from the server, beyond what a long poll asks for.
const SILENCE: Duration = Duration::from_secs(15);
/// Longest wait of one long poll.
pub(crate) const WAIT_S: u64 = 25;

/// Why a call failed: each variant is something else to do.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The control plane does not know this agent (any more): revoked, or its host was deleted.
    #[error("the control plane refuses this agent's certificate")]
    Refused,
    /// The session is not the current one; begin another.
    #[error("the session is no longer current")]
    Stale,
    /// The control plane cannot take what it was sent, now or later: it is of another release.
    #[error("the control plane cannot take this (HTTP status {0})")]
    NotTaken(u16),
    /// Anything else; try again later.
    #[error("the control plane did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl LinkError {
    fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unreachable(Box::new(error))
    }
}

/// The link of one agent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Link {
    base: Arc<str>,
    kind: AgentKind,
    client: Arc<RwLock<reqwest::Client>>,
    asides: Arc<Asides>,
}

/// What orders the reports that are told beside the session's main one.
#[derive(Debug, Default)]
struct Asides {
    /// Of the current session; 0 before the first.
    incarnation: AtomicI64,
    /// Of the last one told.
    sequence: AtomicI64,
}

impl Link {
    /// A link to `control_plane` as `identity`. Does not connect yet.
    pub fn new(control_plane: &str, kind: AgentKind, identity: &Identity) -> Result<Self, IdentityError> {
        let base = control_plane.trim_end_matches('/').into();
        Ok(Self { base, kind, client: Arc::new(RwLock::new(client(identity)?)), asides: Arc::default() })
    }

    /// The agent's kind.
    pub const fn kind(&self) -> AgentKind {
        self.kind
    }

    fn client(&self) -> reqwest::Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, LinkError> {
        let url = format!("{}/agent/v1/{path}", self.base);
        let answer = self.client().post(url).timeout(SILENCE).json(body).send().await.map_err(LinkError::other)?;
        read(answer).await
    }

    /// Begins a session.
    pub async fn session(&self, request: &SessionRequest) -> Result<SessionReply, LinkError> {
        let reply: SessionReply = self.post("session", request).await?;
        self.asides.incarnation.store(reply.incarnation, Ordering::Relaxed);
        Ok(reply)
    }

    /// The number of the current session; none before the first.
    pub fn incarnation(&self) -> Option<i64> {
        Some(self.asides.incarnation.load(Ordering::Relaxed)).filter(|number| *number > 0)
    }

    /// Waits for changes after a revision.
    pub async fn desired(&self, after: &str) -> Result<DesiredReply, LinkError> {
        let query = DesiredQuery { agent: self.kind, after: after.to_owned(), wait_s: WAIT_S };
        let url = format!("{}/agent/v1/desired", self.base);
        let patience = Duration::from_secs(WAIT_S) + SILENCE;
        let answer = self.client().get(url).query(&query).timeout(patience).send().await.map_err(LinkError::other)?;
        read(answer).await
    }

    /// Tells what was seen.
    pub async fn report(&self, report: &Report) -> Result<ReportReply, LinkError> {
        self.post("report", report).await
    }

    /// Tells what connections were recorded; at most [`ConnectionReport::MAX`].
    pub async fn connections(&self, records: Vec<ConnectionRecord>) -> Result<(), LinkError> {
        self.post::<ConnectionReply>("connections", &ConnectionReport { records }).await.map(drop)
    }

    /// Tells what was counted; at most [`StatisticsReport::MAX`] of each.
    ///
    /// # Errors
    /// [`LinkError::Stale`] before the first session, too. The caller waits for the next one, which
    /// it does not begin.
    pub async fn statistics(&self, ports: Vec<PortCounts>, rules: Vec<RuleCounts>) -> Result<(), LinkError> {
        let incarnation = self.incarnation().ok_or(LinkError::Stale)?;
        let sequence = self.asides.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let report = StatisticsReport { incarnation, sequence, ports, rules };
        self.post::<StatisticsReply>("statistics", &report).await.map(drop)
    }

    /// Posts a body that need not make sense, and gives the HTTP status: for tests that play a host that was broken into.
    #[doc(hidden)]
    pub async fn raw(&self, path: &str, body: &serde_json::Value) -> Result<u16, LinkError> {
        let url = format!("{}/agent/v1/{path}", self.base);
        let answer = self.client().post(url).timeout(SILENCE).json(body).send().await.map_err(LinkError::other)?;
        Ok(answer.status().as_u16())
    }

    /// Gets a new certificate for a new key and goes on with it.
    pub async fn renew(&self, identity: &Identity, host_name: &str) -> Result<Identity, LinkError> {
        let (key_pem, csr_pem) = signing_request(host_name).map_err(LinkError::other)?;
        let reply: EnrolReply = self.post("renew", &RenewRequest { csr_pem }).await?;
        let (certificate_pem, authority_pem) = (reply.certificate_pem, reply.authority_pem);
        Ok(Identity { host_id: identity.host_id, key_pem, certificate_pem, authority_pem })
    }

    /// Goes on as this identity.
    pub fn become_identity(&self, identity: &Identity) -> Result<(), IdentityError> {
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client(identity)?;
        Ok(())
    }
}

fn client(identity: &Identity) -> Result<reqwest::Client, IdentityError> {
    let tls = tls::mutual(&identity.authority_pem, &identity.certificate_pem, &identity.key_pem)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .http2_keep_alive_while_idle(true)
        .build()
        .map_err(IdentityError::Unreachable)
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, LinkError> {
    let answer = checked(answer)?;
    let body = answer.bytes().await.map_err(LinkError::other)?;
    serde_json::from_slice(&body).map_err(LinkError::other)
}

fn checked(answer: Response) -> Result<Response, LinkError> {
    match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(LinkError::Refused),
        StatusCode::CONFLICT => Err(LinkError::Stale),
        status @ (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY) => {
            Err(LinkError::NotTaken(status.as_u16()))
        }
        _ => answer.error_for_status().map_err(LinkError::other),
    }
}

#[async_trait::async_trait]
impl ImageSource for Link {
    async fn image(&self, id: ImageId, offset: u64) -> Result<ImageStream, ImageError> {
        let broken = |e: reqwest::Error| ImageError::Unreachable(Box::new(e));
        let url = format!("{}/agent/v1/images/{id}", self.base);
        let request = self.client().get(url).query(&[("offset", offset)]);
        let answer = request.send().await.map_err(broken)?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(ImageError::NotFound(id));
        }
        let stream = answer.error_for_status().map_err(broken)?.bytes_stream();
        Ok(stream.map_err(broken).boxed())
    }
}
