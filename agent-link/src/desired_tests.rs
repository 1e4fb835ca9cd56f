use super::*;
use crate::handle::DesiredHandle;
use iroko_agent_wire::Need;
use iroko_model::port::PortLimits;
use iroko_model::{HostId, Hostname, MacAddress};

fn peer(network_id: NetworkId) -> Change {
    Change::Set(Object::Peer(Arc::new(PeerSpec {
        port_id: PortId::new(),
        network_id,
        host_id: HostId::new(),
        vtep: "192.0.2.1".parse().unwrap(),
        mac: MacAddress::local([0; 5]),
        addresses: vec![],
        hostname: Hostname::try_from("a".to_owned()).unwrap(),
        allowed_address_pairs: vec![],
    })))
}

fn network_spec(id: NetworkId) -> NetworkSpec {
    let vni = iroko_model::Vni::try_from(4096).unwrap();
    NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![] }
}

fn delta(revision: &str, changes: Vec<Change>) -> DesiredReply {
    DesiredReply { revision: revision.into(), full: false, changes, ..DesiredReply::default() }
}

fn port(network_id: NetworkId) -> Change {
    Change::Set(Object::Port(Arc::new(PortSpec {
        id: PortId::new(),
        network_id,
        instance_id: InstanceId::new(),
        generation: 1,
        tap: "ikt0".into(),
        mac: MacAddress::local([0; 5]),
        addresses: vec![],
        hostname: Hostname::try_from("a".to_owned()).unwrap(),
        security_group_ids: None,
        is_secured: true,
        allowed_address_pairs: vec![],
        limits: PortLimits::default(),
        connection_log: None,
    })))
}

fn network(id: NetworkId) -> Change {
    Change::Set(Object::Network(Arc::new(network_spec(id))))
}

fn full(revision: &str, changes: Vec<Change>) -> DesiredReply {
    DesiredReply { full: true, ..delta(revision, changes) }
}

fn gone(change: &Change) -> Change {
    Change::Gone(change.key().unwrap())
}

#[tokio::test]
async fn subscriptions_gather_and_full_replies_replace() {
    let handle = DesiredHandle::new();
    let mut subscription = handle.subscribe();
    let id = NetworkId::new();
    let (net, own) = (network(id), port(id));
    let (first, second) = (peer(id), peer(id));
    handle.apply(&delta("1", vec![net.clone(), own.clone(), first.clone()]));
    handle.apply(&delta("2", vec![second.clone()]));
    let keys = [&net, &own, &first, &second].map(|change| change.key().unwrap());
    assert_eq!(subscription.changed().await.keys, HashSet::from(keys));
    assert_eq!(handle.read().peers[&id].len(), 2);

    handle.apply(&delta("3", vec![gone(&first)]));
    handle.apply(&full("4", vec![net, own, second]));
    assert_eq!(subscription.changed().await, Dirty { all: true, keys: HashSet::new() });
    assert_eq!(handle.read().peers[&id].len(), 1);
    assert!(handle.read().is_whole());
    let mut halved = handle.read().clone();
    halved.apply(&delta("5", vec![port(NetworkId::new())]));
    assert!(!halved.is_whole(), "a port whose network did not arrive");

    let mut copy = Desired::default();
    copy.apply(&handle.read().to_reply());
    assert_eq!((copy.revision.as_str(), copy.peers[&id].len()), ("4", 1));
    assert!(handle.subscribe().changed().await.all, "a late subscriber looks at everything");
}

/// What a full answer leaves out is kept as it is, also over a restart, until it is said to be gone.
#[test]
fn an_answer_that_leaves_a_port_out_is_no_order_to_unplug_it() {
    let id = NetworkId::new();
    let (own, first) = (port(id), peer(id));
    let mut keeper = Desired::default();
    keeper.apply(&full("6", vec![network(id), own.clone(), first.clone()]));
    let port_id = *keeper.ports.keys().next().unwrap();
    keeper.apply(&full("7", vec![]));
    let mut restarted = Desired::default();
    restarted.apply(&keeper.to_reply());
    for mut kept in [keeper, restarted] {
        assert!(kept.orphan_ports.contains(&port_id) && kept.networks.contains_key(&id) && kept.is_whole());
        assert_eq!(kept.peers[&id].len(), 1, "it still reaches its peers");
        let mut wanted = kept.clone();
        wanted.apply(&delta("8", vec![own.clone()]));
        assert!(wanted.orphan_ports.is_empty());
        kept.apply(&delta("8", vec![gone(&own)]));
        assert!(kept.ports.is_empty() && kept.orphan_ports.is_empty());
        assert!(kept.networks.is_empty() && kept.peers.is_empty(), "nothing needs them any more");
    }
}

/// A full answer is all there is of what it speaks of: what left meanwhile does not stay because others need the same.
#[test]
fn a_full_answer_forgets_what_left_of_what_is_still_needed() {
    let id = NetworkId::new();
    let (own, left) = (port(id), peer(id));
    let mut desired = Desired::default();
    desired.apply(&full("1", vec![network(id), own.clone(), left.clone()]));
    desired.apply(&full("2", vec![network(id), own.clone()]));
    assert!(desired.peers.is_empty());
    // A port that the answer does not name changes nothing of that.
    desired.apply(&full("3", vec![network(id), own, port(id), left]));
    desired.apply(&full("4", vec![network(id), port(id)]));
    assert!(desired.peers.is_empty() && desired.orphan_ports.len() == 2);
}

#[test]
fn what_is_needed_anew_takes_the_place_of_what_was_held() {
    let id = NetworkId::new();
    let (own, old, new) = (port(id), peer(id), peer(id));
    let mut desired = Desired::default();
    desired.apply(&delta("1", vec![network(id), own.clone(), old.clone()]));
    let dirty = desired.apply(&delta("2", vec![Change::Anew(Need::Network(id)), network(id), new.clone()]));
    assert_eq!(desired.peers[&id].len(), 1);
    let keys = [&network(id), &old, &new].map(|change| change.key().unwrap());
    assert_eq!(dirty.keys, HashSet::from(keys), "who looks hears of what left, too");
}
