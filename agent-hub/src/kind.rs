//! What the hub asks of every kind of objects.
//!
//! A kind is a file that implements [`Kind`] and stands in `graph::KINDS`. It says what changes of the outbox mean to
//! whom, which hosts need what of it, and what all of a need is. What hosts are sent, and when, is the same for all.

use crate::batch::{Batch, Entry, Scope};
use async_trait::async_trait;
use iroko_agent_wire::{AgentKind, Need, Object};
use iroko_model::HostId;
use iroko_store::change::Change as Row;
use iroko_store::desired::HostNeed;
use iroko_store::{Result, Store, Tx};
use std::collections::HashMap;
use uuid::Uuid;

/// All objects of needs.
pub type Objects = HashMap<Need, Vec<Object>>;

/// A kind of objects that agents hold.
#[async_trait]
pub trait Kind: Send + Sync + std::fmt::Debug {
    /// The agent that holds them.
    fn agent(&self) -> AgentKind {
        AgentKind::Net
    }

    /// What a batch means to whom, in the order of its rows.
    async fn entries(&self, conn: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>>;

    /// Of roots: all that are on a host.
    async fn roots(&self, conn: &mut Tx, host: HostId) -> Result<Vec<Object>> {
        let _ = (conn, host);
        Ok(Vec::new())
    }

    /// Whose needs a change may have changed: of its host, or of all that need the object whose references it changed.
    fn may_change_needs(&self, row: &Row) -> Option<Scope> {
        let _ = row;
        None
    }

    /// All that these hosts need of this kind. Steady is what they needed all along, for a reason of which the outbox
    /// holds no change from revision `from` on.
    async fn needs(&self, conn: &mut Tx, hosts: &[Uuid], from: i64) -> Result<Vec<HostNeed>> {
        let _ = (conn, hosts, from);
        Ok(Vec::new())
    }

    /// True for needs whose objects this kind reads.
    fn answers(&self, need: Need) -> bool {
        let _ = need;
        false
    }

    /// All objects of needs, at least as new as the last batch.
    async fn objects(&self, store: &Store, needs: &[Need]) -> Result<Objects> {
        let _ = (store, needs);
        Ok(Objects::new())
    }
}
