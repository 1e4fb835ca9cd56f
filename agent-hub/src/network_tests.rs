use super::*;
use iroko_agent_wire::{ObjectKey, PortSpec};
use iroko_model::port::PortLimits;
use iroko_model::{HostId, Hostname, InstanceId, MacAddress, Name, Vni};
use iroko_store::change::Change as Row;
use iroko_store::desired::BoundPort;

fn network(id: NetworkId) -> Arc<NetworkSpec> {
    let vni = Vni::try_from(7).unwrap();
    Arc::new(NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![] })
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

fn known(id: NetworkId, ports: &[BoundPort]) -> Known {
    let peers = ports.iter().filter_map(|bound| bound.peer.clone()).map(|peer| (peer.port_id, peer)).collect();
    Known { network: network(id), peers }
}

fn keys(objects: Option<Vec<Object>>) -> Vec<ObjectKey> {
    let mut keys: Vec<_> = objects.unwrap().iter().map(Object::key).collect();
    keys.sort();
    keys
}

#[test]
fn what_was_read_before_a_batch_is_not_kept_after_it_and_batches_keep_the_rest_true() {
    let (here, there, id) = (HostId::new(), HostId::new(), NetworkId::new());
    let mut held = Held::default();
    let read_at = held.generation;
    held.enter(&Batch::with(&[], HashMap::new()), &HashMap::new());
    held.learn(read_at, known(id, &[]));
    assert!(held.objects(id).is_none(), "a batch came in between");
    held.learn(held.generation, known(id, &[bound(here, id, 1), bound(there, id, 2)]));
    let [one, two, three] = [1, 2, 3].map(|port| ObjectKey::Peer(id, Uuid::from_u128(port).into()));
    assert_eq!(keys(held.objects(id)), [ObjectKey::Network(id), one, two]);
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
    held.enter(&Batch::with(&[row(1), row(3)], ports), &HashMap::new());
    assert_eq!(keys(held.objects(id)), [ObjectKey::Network(id), two, three]);
    let gone = Row { kind: ChangeKind::Network, object_id: id.as_uuid(), ..row(1) };
    held.enter(&Batch::with(&[gone], HashMap::new()), &HashMap::new());
    assert!(held.objects(id).is_none(), "the network was deleted");
}
