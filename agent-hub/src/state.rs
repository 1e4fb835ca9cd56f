//! What the link's handlers reach.

use crate::authority::{Authority, AuthorityError};
use crate::certificates::Certificates;
use crate::config::AgentLinkConfig;
use crate::hub::Hub;
use crate::intake::Intake;
use crate::turns::Turns;
use async_trait::async_trait;
use iroko_model::ImageId;
use iroko_store::Store;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where the bytes of images are.
#[async_trait]
pub trait ImageFiles: Send + Sync + std::fmt::Debug {
    /// The file of an image that is complete.
    async fn open(&self, id: ImageId) -> std::io::Result<tokio::fs::File>;
}

/// The control plane's side of the link. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AgentHub {
    pub(crate) store: Store,
    pub(crate) config: Arc<AgentLinkConfig>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) certificates: Certificates,
    pub(crate) turns: Turns,
    pub(crate) reports: Intake,
    pub(crate) images: Arc<dyn ImageFiles>,
}

/// Why the link cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The authority's files (state_dir).
    #[error("the authority of agents cannot be loaded (state_dir)")]
    Authority(#[from] AuthorityError),
    /// The database.
    #[error("the outbox cannot be read")]
    Outbox(#[from] iroko_store::Error),
}

impl AgentHub {
    /// Loads the authority, or makes it, below `state_dir`, reads what the outbox holds, and starts the tasks.
    pub async fn start(
        config: AgentLinkConfig,
        state_dir: &Path,
        store: Store,
        images: Arc<dyn ImageFiles>,
        shutdown: CancellationToken,
    ) -> Result<Self, StartError> {
        Ok(Self {
            config: Arc::new(config),
            authority: Arc::new(Authority::load(state_dir)?),
            hub: Hub::start(store.clone(), shutdown).await?,
            certificates: Certificates::spawn(store.clone()),
            turns: Turns::default(),
            reports: Intake::spawn(store.clone()),
            images,
            store,
        })
    }

    /// The revision of the outbox that this process has read up to.
    pub fn read_up_to(&self) -> i64 {
        self.hub.read_up_to()
    }

    /// Signs agents' certificates.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}
