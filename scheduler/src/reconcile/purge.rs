//! Takes apart what is purged: asks instances to go, and removes what they leave once they are gone.

use super::{PassReport, Reconcile};
use iroko_store::authority::Scope;
use iroko_store::{Store, suspension};
use std::time::Duration;

/// Instances asked to go, and projects and organizations removed, in one pass.
const BATCH: i64 = 256;

/// See the module.
#[derive(Debug)]
pub struct Purge;

#[async_trait::async_trait]
impl Reconcile for Purge {
    const NAME: &'static str = "purge";
    const EVERY: Duration = Duration::from_secs(5);
    const WOKEN: Option<Duration> = Some(Duration::from_millis(500));

    async fn pass(&mut self, store: &Store) -> iroko_store::Result<PassReport> {
        let mut tx = store.begin().await?;
        let mut done = suspension::purge_spread(&mut tx, BATCH).await?;
        if done > 0 {
            store.commit(tx).await?;
        }
        let due = suspension::purge_due(&mut *store.connection().await?, BATCH).await?;
        for scope in &due {
            // Each by itself: one that something still holds does not keep the others.
            match remove(store, *scope).await {
                Ok(removed) => done += u64::from(removed),
                Err(error) => {
                    tracing::warn!(?scope, error = %iroko_daemon::chain(&error), "it could not be purged yet; the next pass tries again");
                }
            }
        }
        Ok(PassReport { done, more: false })
    }
}

async fn remove(store: &Store, scope: Scope) -> iroko_store::Result<bool> {
    let mut tx = store.begin().await?;
    let removed = match scope {
        Scope::Project(id) => suspension::project_remove(&mut tx, id.as_uuid()).await?,
        Scope::Organization(id) => suspension::organization_remove(&mut tx, id.as_uuid()).await?,
        Scope::System => false,
    };
    store.commit(tx).await?;
    Ok(removed)
}
