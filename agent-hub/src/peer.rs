//! Ports, for all hosts that need their networks. Read with the network ([`crate::network`]).

use crate::batch::{Batch, Entry, Scope};
use crate::kind::Kind;
use async_trait::async_trait;
use iroko_agent_wire::{Change, Need, Object, ObjectKey};
use iroko_model::NetworkId;
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::{Result, Tx};

/// See the module.
#[derive(Debug)]
pub struct Peers;

#[async_trait]
impl Kind for Peers {
    async fn entries(&self, _: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        Ok(batch.of_kind(ChangeKind::Port).filter_map(|(at, row)| entry(at, row, batch)).collect())
    }
}

fn entry(at: usize, row: &Row, batch: &Batch<'_>) -> Option<Entry> {
    let network = NetworkId::from(row.network_id?);
    let change = match batch.port(row).and_then(|bound| bound.peer.clone()) {
        Some(peer) => Change::Set(Object::Peer(peer)),
        None => Change::Gone(ObjectKey::Peer(network, row.object_id.into())),
    };
    Some(Entry::change(at, Scope::Need(Need::Network(network)), change))
}
