use super::*;
use crate::Config;
use crate::desired::Wanted;
use crate::object::State;
use iroko_agent_wire::{Change, DesiredReply, Object, ObjectKey};
use iroko_model::address::tap_name;
use iroko_model::port::PortLimits;
use iroko_model::{HostId, Hostname, InstanceId, PortId};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

fn facts() -> HostFacts {
    Config { vtep: Some("192.0.2.1".parse().unwrap()), ..Config::default() }.facts(HostId::new()).unwrap()
}

fn network() -> Arc<NetworkSpec> {
    let (id, vni) = (Uuid::from_u128(1).into(), Vni::try_from(0xff).unwrap());
    Arc::new(NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![] })
}

fn pair(mac: Option<&str>, cidr: &str) -> AddressPair {
    AddressPair::new(mac.map(|mac| mac.parse().unwrap()), cidr.parse().unwrap()).unwrap()
}

fn port(n: u8, pairs: &[AddressPair]) -> PortSpec {
    let id: PortId = Uuid::from_u128(n.into()).into();
    PortSpec {
        id,
        network_id: network().id,
        instance_id: InstanceId::new(),
        generation: 1,
        tap: tap_name(id),
        mac: MacAddress::local([0, 0, 0, 0, n]),
        addresses: vec![format!("10.0.0.{n}").parse().unwrap()],
        hostname: Hostname::try_from(format!("vm{n}")).unwrap(),
        security_group_ids: None,
        is_secured: true,
        allowed_address_pairs: pairs.to_vec(),
        limits: PortLimits::default(),
        connection_log: None,
    }
}

fn here(port: &PortSpec) -> Change {
    Change::Set(Object::Port(Arc::new(port.clone())))
}

/// The port on the host whose VTEP ends in `vtep`.
fn there(port: &PortSpec, vtep: u8) -> Change {
    Change::Set(Object::Peer(Arc::new(PeerSpec {
        port_id: port.id,
        network_id: port.network_id,
        host_id: Uuid::from_u128(0xff00 + u128::from(vtep)).into(),
        vtep: format!("192.0.2.{vtep}").parse().unwrap(),
        mac: port.mac,
        addresses: port.addresses.clone(),
        hostname: port.hostname.clone(),
        allowed_address_pairs: port.allowed_address_pairs.clone(),
    })))
}

fn apply(desired: &mut Desired, changes: Vec<Change>) -> HashSet<ObjectKey> {
    desired.apply(&DesiredReply { revision: "r".into(), full: false, changes, ..DesiredReply::default() }).keys
}

fn wanted(mut changes: Vec<Change>) -> State {
    let mut desired = Desired::default();
    // A port that shares nothing, so that the network is needed.
    changes.extend([Change::Set(Object::Network(network())), here(&port(99, &[]))]);
    apply(&mut desired, changes);
    Wanted::all(&desired, &facts()).state
}

/// VTEPs that get what is sent to many, what the tunnel shares and what the taps share, by port.
fn seen(state: &State, ports: &[&PortSpec]) -> (Vec<u8>, Sharing, Vec<Sharing>) {
    let last = |ip: &IpAddr| if let IpAddr::V4(v4) = ip { v4.octets()[3] } else { 0 };
    let mut floods: Vec<u8> =
        state.keys().filter_map(|key| if let Key::Flood(_, vtep) = key { Some(last(vtep)) } else { None }).collect();
    floods.sort_unstable();
    let of = |key: &Key| match &state[key] {
        Value::Vxlan { sharing, .. } | Value::Tap { sharing, .. } => *sharing,
        other => unreachable!("{other:?}"),
    };
    let taps = ports.iter().map(|port| of(&Key::Tap(port.tap.clone()))).collect();
    (floods, of(&Key::Vxlan(network().vni)), taps)
}

/// Who is reached with what is sent to many follows from who holds an address that moves.
#[test]
fn announcements_go_to_all_and_questions_to_holders() {
    let shared = [pair(None, "10.0.0.100/32")];
    let (plain, other, holder) = (port(10, &[]), port(20, &[]), port(30, &shared));
    let none = wanted(vec![here(&plain), there(&other, 2), there(&port(31, &[]), 3)]);
    assert_eq!(seen(&none, &[&plain]), (vec![], Sharing::Nothing, vec![Sharing::Nothing]));

    let asks = wanted(vec![here(&plain), there(&other, 2), there(&holder, 3)]);
    assert_eq!(seen(&asks, &[&plain]), (vec![3], Sharing::Addresses, vec![Sharing::Nothing]));

    let holds = wanted(vec![here(&holder), here(&plain), there(&other, 2), there(&port(40, &shared), 3)]);
    let taps = vec![Sharing::Addresses, Sharing::Nothing];
    assert_eq!(seen(&holds, &[&holder, &plain]), (vec![2, 3], Sharing::Addresses, taps));
}

/// A port whose own address is another's pair answers for it itself, and says so to all.
#[test]
fn an_own_address_that_moves_is_no_fixed_neighbour() {
    let (primary, standby) = (port(10, &[]), port(20, &[pair(None, "10.0.0.10/32")]));
    let neighbour = Key::Neighbour(network().vni, primary.addresses[0]);
    assert!(wanted(vec![there(&primary, 2)]).contains_key(&neighbour));
    let apart = wanted(vec![there(&primary, 2), there(&standby, 3)]);
    assert!(!apart.contains_key(&neighbour));
    assert_eq!(seen(&apart, &[]).0, [2, 3]);
    let at_home = wanted(vec![here(&primary), there(&standby, 3), there(&port(30, &[]), 4)]);
    assert_eq!(seen(&at_home, &[&primary]), (vec![3, 4], Sharing::Addresses, vec![Sharing::Addresses]));
}

/// MAC addresses are learned where a pair names another than the port's own, and never from a port
/// that may send from any.
#[test]
fn learning_is_for_mac_addresses_that_move() {
    let own = pair(Some("02:00:00:00:00:0a"), "10.0.0.100/32");
    let virtual_one = pair(Some("00:00:5e:00:01:01"), "fd00::/64");
    let (same, moving) = (port(10, &[own]), port(11, &[virtual_one]));
    assert_eq!(seen(&wanted(vec![here(&same)]), &[&same]).1, Sharing::Addresses);
    let open = PortSpec { is_secured: false, ..port(12, &[virtual_one]) };
    let state = wanted(vec![here(&same), here(&moving), here(&open)]);
    let taps = vec![Sharing::Addresses, Sharing::Macs, Sharing::Addresses];
    assert_eq!(seen(&state, &[&same, &moving, &open]), (vec![], Sharing::Macs, taps));
    let formed = "fe80::200:5eff:fe00:101".parse().unwrap();
    assert!(state.contains_key(&Key::Element(Element::SharedNd(network().vni, formed, formed))));
}

/// Ranges of all ports together do not overlap, for nft takes none that do.
#[test]
fn ranges_inside_others_are_left_out() {
    let cidrs = ["10.0.0.0/24", "10.0.0.0/25", "10.0.0.7/32", "10.0.1.0/24", "fd00::1/128", "fd00::/64"];
    let all: Vec<_> = cidrs.iter().map(|cidr| pair(None, cidr)).collect();
    let left: Vec<String> = ranges(&all).iter().map(ToString::to_string).collect();
    assert_eq!(left, ["10.0.0.0/24", "10.0.1.0/24", "fd00::/64"]);
    let ranges = ranges(&all);
    let shared = Shared { ranges, ..NOTHING.clone() };
    let within = ["10.0.0.255", "10.0.1.0", "10.0.2.0", "9.255.255.255", "fd00::9", "fd01::"];
    let within = within.map(|ip| shared.contains(ip.parse().unwrap()));
    assert_eq!(within, [true, true, false, false, true, false]);
}

/// One of: a port with such pairs here, there, gone; all ports gone, and the network with them; the network there.
fn change() -> impl Strategy<Value = (u8, usize, u8)> {
    (10..14u8, 0..4usize, 0..5u8)
}

fn told((n, which, place): (u8, usize, u8)) -> Vec<Change> {
    let choices = [
        vec![],
        vec![pair(None, "10.0.0.100/32")],
        vec![pair(None, "10.0.0.12/31"), pair(None, "10.0.0.100/32")],
        vec![pair(Some("00:00:5e:00:01:01"), "10.0.0.96/28"), pair(None, "fd00::/64")],
    ];
    let port = port(n, &choices[which]);
    let (own, peer) = (ObjectKey::Port(port.id), ObjectKey::Peer(port.network_id, port.id));
    match place {
        0 => vec![here(&port), Change::Gone(peer)],
        1 | 2 => vec![there(&port, place + 1), Change::Gone(own)],
        3 => vec![Change::Gone(own), Change::Gone(peer)],
        _ if which == 0 => {
            [10, 11, 12, 13, 99].map(|n| Change::Gone(ObjectKey::Port(Uuid::from_u128(n).into()))).to_vec()
        }
        _ => vec![Change::Set(Object::Network(network())), here(&self::port(99, &[]))],
    }
}

proptest! {
    /// What is wanted after some changes is what would be wanted had it all been told at once.
    #[test]
    fn changes_lead_to_what_all_of_it_says(changes in proptest::collection::vec(change(), 1..12)) {
        let (mut desired, facts) = (Desired::default(), facts());
        apply(&mut desired, vec![Change::Set(Object::Network(network())), here(&port(99, &[]))]);
        let mut wanted = Wanted::all(&desired, &facts);
        for change in changes {
            let dirty = apply(&mut desired, told(change));
            let before = wanted.state.clone();
            let touched = wanted.renew(&dirty, &desired, &facts);
            let anew = Wanted::all(&desired, &facts).state;
            prop_assert_eq!(&wanted.state, &anew);
            let differs = |key: &&Key| before.get(key) != anew.get(key);
            let untold: Vec<&Key> = before.keys().chain(anew.keys()).filter(differs).filter(|key| !touched.contains(key)).collect();
            prop_assert!(untold.is_empty(), "{:?}", untold);
        }
    }
}
