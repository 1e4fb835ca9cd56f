//! What hosts that start to need something receive: read once for all that ask at the same time.

use crate::kind::Kind;
use iroko_agent_wire::{Change, Need};
use iroko_store::{Result, Store};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// All of each need, as changes: what was held before is forgotten, then each object.
pub type Documents = HashMap<Need, Arc<Vec<Change>>>;

/// The documents of one kind, at one watermark.
#[derive(Debug, Default)]
pub struct NeedCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    watermark: i64,
    documents: Documents,
}

impl NeedCache {
    /// All of these needs, at least as new as the watermark.
    ///
    /// What a host needs is read with a batch and so may be newer than it: a host that stops needing something and
    /// starts again can miss what changed in between without ever having dropped what it held. So a document begins by
    /// forgetting that.
    pub async fn documents(&self, kind: &dyn Kind, store: &Store, watermark: i64, needs: &[Need]) -> Result<Documents> {
        let mut kept = self.0.lock().await;
        if kept.watermark < watermark {
            *kept = Kept { watermark, documents: Documents::new() };
        }
        let missing: Vec<Need> = needs.iter().filter(|need| !kept.documents.contains_key(*need)).copied().collect();
        if !missing.is_empty() {
            let mut objects = kind.objects(store, &missing).await?;
            for need in missing {
                let objects = objects.remove(&need).unwrap_or_default();
                let changes = std::iter::once(Change::Anew(need)).chain(objects.into_iter().map(Change::Set));
                kept.documents.insert(need, Arc::new(changes.collect()));
            }
        }
        let document = |need: &Need| Some((*need, kept.documents.get(need)?.clone()));
        Ok(needs.iter().filter_map(document).collect())
    }
}
