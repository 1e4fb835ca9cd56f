//! Networks with their bound ports, in memory: what a host that joins one must be told.
//!
//! A network is read from the database when a host first joins it, and then kept up to date by the
//! outbox like everything else. Bounded: when too many ports are held, all are forgotten and read anew.

use super::hub::Loaded;
use iroko_agent_wire::{Change, Object};
use iroko_model::{HostId, NetworkId};
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired::BoundPort;
use std::collections::HashMap;
use uuid::Uuid;

/// Ports held, of all networks.
const PORTS_MAX: usize = 50_000;

#[derive(Debug)]
struct Known {
    network: Change,
    ports: HashMap<Uuid, BoundPort>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Networks {
    known: HashMap<NetworkId, Known>,
    /// Grows with each batch entered: what was read before one must not be learned after it.
    generation: u64,
}

impl Networks {
    /// To be asked before a network is read for [`Self::learn`].
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes a batch of changes over, with what they name as it is now.
    pub fn enter(&mut self, rows: &[Row], loaded: &Loaded) {
        self.generation += 1;
        for row in rows {
            match row.kind {
                ChangeKind::Network => {
                    let Some(known) = self.known.get_mut(&row.object_id.into()) else { continue };
                    match loaded.networks.get(&row.object_id) {
                        Some(now) => known.network = now.clone(),
                        None => drop(self.known.remove(&row.object_id.into())),
                    }
                }
                ChangeKind::Port | ChangeKind::PortLimits => {
                    let Some(id) = row.network_id.map(NetworkId::from) else { continue };
                    let Some(known) = self.known.get_mut(&id) else { continue };
                    match loaded.ports.get(&row.object_id).filter(|bound| bound.port.network_id == id) {
                        Some(bound) => drop(known.ports.insert(row.object_id, bound.clone())),
                        None => drop(known.ports.remove(&row.object_id)),
                    }
                }
                ChangeKind::Instance | ChangeKind::Console | ChangeKind::SecurityGroup | ChangeKind::AddressSet => {}
            }
        }
    }

    /// Keeps a network that was read at `generation`, unless a batch has come since.
    pub fn learn(&mut self, generation: u64, id: NetworkId, network: &Change, ports: &[BoundPort]) {
        if generation != self.generation {
            return;
        }
        let held: usize = self.known.values().map(|known| known.ports.len()).sum();
        if held + ports.len() > PORTS_MAX {
            self.known.clear();
        }
        let ports = ports.iter().map(|bound| (bound.port.id.as_uuid(), bound.clone())).collect();
        self.known.insert(id, Known { network: network.clone(), ports });
    }

    /// What a host is to be told of a network; `None` where it is not known.
    pub fn told(&self, host: HostId, id: NetworkId) -> Option<Vec<Change>> {
        self.known.get(&id).map(|known| told(host, &known.network, known.ports.values()))
    }
}

/// A network as a host is to know it: itself, its ports on it, its ports elsewhere.
pub fn told<'a>(host: HostId, network: &Change, ports: impl Iterator<Item = &'a BoundPort>) -> Vec<Change> {
    let object = |bound: &BoundPort| {
        if bound.host_id == host {
            Some(Object::Port(bound.port.clone()))
        } else {
            bound.peer.clone().map(Object::Peer)
        }
    };
    std::iter::once(network.clone()).chain(ports.filter_map(object).map(Change::Set)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::{NetworkSpec, ObjectKey, PeerSpec, PortSpec};
    use iroko_model::port::PortLimits;
    use iroko_model::{Hostname, InstanceId, MacAddress, Name, Vni};
    use std::sync::Arc;

    fn network(id: NetworkId) -> Change {
        let vni = Vni::try_from(7).unwrap();
        let spec = NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![] };
        Change::Set(Object::Network(Arc::new(spec)))
    }

    fn bound(host_id: HostId, network_id: NetworkId, port: u128) -> BoundPort {
        let (id, mac) = (Uuid::from_u128(port).into(), MacAddress::from_octets([2, 0, 0, 0, 0, 1]));
        let hostname = Hostname::from_name(&Name::try_from("web".to_owned()).unwrap());
        let port = PortSpec {
            id,
            network_id,
            instance_id: InstanceId::new(),
            generation: 1,
            tap: "tap".into(),
            mac,
            addresses: vec![],
            hostname: hostname.clone(),
            security_group_ids: None,
            is_secured: true,
            allowed_address_pairs: vec![],
            limits: PortLimits::default(),
            connection_log: None,
        };
        let vtep = "192.0.2.1".parse().unwrap();
        let (addresses, allowed_address_pairs) = (vec![], vec![]);
        let peer = PeerSpec { port_id: id, network_id, host_id, vtep, mac, addresses, hostname, allowed_address_pairs };
        BoundPort { host_id, port: Arc::new(port), peer: Some(Arc::new(peer)) }
    }

    fn keys(told: Option<Vec<Change>>) -> Vec<ObjectKey> {
        let mut keys: Vec<_> = told.unwrap().iter().map(Change::key).collect();
        keys.sort_by_key(|key| format!("{key:?}"));
        keys
    }

    #[test]
    fn what_was_read_before_a_batch_is_not_kept_after_it_and_batches_keep_the_rest_true() {
        let (here, there, id) = (HostId::new(), HostId::new(), NetworkId::new());
        let mut networks = Networks::default();
        let read_at = networks.generation();
        networks.enter(&[], &Loaded::default());
        networks.learn(read_at, id, &network(id), &[]);
        assert!(networks.told(here, id).is_none(), "a batch came in between");
        networks.learn(networks.generation(), id, &network(id), &[bound(here, id, 1), bound(there, id, 2)]);
        let [one, two, three] = [1, 2, 3].map(|port| Uuid::from_u128(port).into());
        let all = [ObjectKey::Network(id), ObjectKey::Peer(id, two), ObjectKey::Port(one)];
        assert_eq!(keys(networks.told(here, id)), all);
        // Port 1 is gone, port 3 is bound elsewhere, of port 2 there is no news.
        let row = |port| Row {
            revision: 9,
            kind: ChangeKind::Port,
            object_id: Uuid::from_u128(port),
            host_id: Some(here.as_uuid()),
            network_id: Some(id.as_uuid()),
            refs: Vec::new(),
        };
        let ports = HashMap::from([(Uuid::from_u128(3), bound(there, id, 3))]);
        networks.enter(&[row(1), row(3)], &Loaded { ports, ..Loaded::default() });
        let left = [ObjectKey::Network(id), ObjectKey::Peer(id, three), ObjectKey::Peer(id, two)];
        let seen = keys(networks.told(here, id));
        assert!(seen.len() == 3 && left.iter().all(|key| seen.contains(key)), "{seen:?}");
        let gone = Row { kind: ChangeKind::Network, object_id: id.as_uuid(), ..row(1) };
        networks.enter(&[gone], &Loaded::default());
        assert!(networks.told(here, id).is_none(), "the network was deleted");
    }
}
