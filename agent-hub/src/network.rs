//! Networks with their peers, for hosts with a port on them.
//!
//! A network is read from the database when a host first needs it, then kept in memory and kept true by the outbox:
//! hosts that start to need it do not cost a look at all its ports each. Bounded: when too many ports are held, all are
//! forgotten and read anew.

use crate::batch::{Batch, Entry, Scope};
use crate::kind::{Kind, Objects};
use async_trait::async_trait;
use iroko_agent_wire::{Change, Need, NetworkSpec, Object, PeerSpec};
use iroko_model::{NetworkId, PortId};
use iroko_store::change::ChangeKind;
use iroko_store::desired::{self, HostNeed, Ports};
use iroko_store::{Result, Store, Tx};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Ports held, of all networks.
const PORTS_MAX: usize = 50_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Networks(Mutex<Held>);

#[async_trait]
impl Kind for Networks {
    async fn entries(&self, conn: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        let ids = batch.ids(ChangeKind::Network);
        let specs = if ids.is_empty() { Vec::new() } else { desired::network_specs(conn, &ids).await? };
        let now: HashMap<Uuid, Arc<NetworkSpec>> = specs.into_iter().map(|spec| (spec.id.as_uuid(), spec)).collect();
        self.held().enter(batch, &now);
        let entry = |(at, row): (usize, &iroko_store::change::Change)| {
            let spec = now.get(&row.object_id)?.clone();
            let scope = Scope::Need(Need::Network(row.object_id.into()));
            Some(Entry::change(at, scope, Change::Set(Object::Network(spec))))
        };
        Ok(batch.of_kind(ChangeKind::Network).filter_map(entry).collect())
    }

    async fn needs(&self, conn: &mut Tx, hosts: &[Uuid], from: i64) -> Result<Vec<HostNeed>> {
        desired::network_needs(conn, hosts, from).await
    }

    fn answers(&self, need: Need) -> bool {
        matches!(need, Need::Network(_))
    }

    async fn objects(&self, store: &Store, needs: &[Need]) -> Result<Objects> {
        let ids = needs.iter().filter_map(|need| if let Need::Network(id) = need { Some(*id) } else { None });
        let (mut objects, mut unknown) = (Objects::new(), Vec::new());
        let generation = {
            let held = self.held();
            for id in ids {
                match held.objects(id) {
                    Some(all) => drop(objects.insert(Need::Network(id), all)),
                    None => unknown.push(id.as_uuid()),
                }
            }
            held.generation
        };
        if !unknown.is_empty() {
            for known in read(store, &unknown).await? {
                objects.insert(Need::Network(known.network.id), known.objects());
                self.held().learn(generation, known);
            }
        }
        Ok(objects)
    }
}

impl Networks {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(store: &Store, ids: &[Uuid]) -> Result<Vec<Known>> {
    let mut conn = store.begin_planned().await?;
    let specs = desired::network_specs(&mut conn, ids).await?;
    let mut peers: HashMap<NetworkId, HashMap<PortId, Arc<PeerSpec>>> = HashMap::new();
    for peer in desired::bound_ports(&mut conn, Ports::OfNetworks(ids)).await?.into_iter().filter_map(|port| port.peer)
    {
        peers.entry(peer.network_id).or_default().insert(peer.port_id, peer);
    }
    let known = |network: Arc<NetworkSpec>| Known { peers: peers.remove(&network.id).unwrap_or_default(), network };
    Ok(specs.into_iter().map(known).collect())
}

#[derive(Debug)]
struct Known {
    network: Arc<NetworkSpec>,
    peers: HashMap<PortId, Arc<PeerSpec>>,
}

impl Known {
    fn objects(&self) -> Vec<Object> {
        let peers = self.peers.values().cloned().map(Object::Peer);
        std::iter::once(Object::Network(self.network.clone())).chain(peers).collect()
    }
}

#[derive(Debug, Default)]
struct Held {
    known: HashMap<NetworkId, Known>,
    /// Grows with each batch entered: what was read before one must not be learned after it.
    generation: u64,
}

impl Held {
    /// Takes a batch of changes over, with what they name as it is now.
    fn enter(&mut self, batch: &Batch<'_>, now: &HashMap<Uuid, Arc<NetworkSpec>>) {
        self.generation += 1;
        for (_, row) in batch.of_kind(ChangeKind::Network) {
            let id = NetworkId::from(row.object_id);
            match (self.known.get_mut(&id), now.get(&row.object_id)) {
                (Some(known), Some(spec)) => known.network = spec.clone(),
                (Some(_), None) => drop(self.known.remove(&id)),
                (None, _) => {}
            }
        }
        for (_, row) in batch.of_kind(ChangeKind::Port) {
            let Some(id) = row.network_id.map(NetworkId::from) else { continue };
            let Some(known) = self.known.get_mut(&id) else { continue };
            let peer = batch.port(row).and_then(|bound| bound.peer.clone()).filter(|peer| peer.network_id == id);
            match peer {
                Some(peer) => drop(known.peers.insert(peer.port_id, peer)),
                None => drop(known.peers.remove(&row.object_id.into())),
            }
        }
    }

    /// Keeps a network that was read at `generation`, unless a batch has come since.
    fn learn(&mut self, generation: u64, network: Known) {
        if generation != self.generation {
            return;
        }
        let held: usize = self.known.values().map(|known| known.peers.len()).sum();
        if held + network.peers.len() > PORTS_MAX {
            self.known.clear();
        }
        self.known.insert(network.network.id, network);
    }

    fn objects(&self, id: NetworkId) -> Option<Vec<Object>> {
        self.known.get(&id).map(Known::objects)
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
