use super::*;
use crate::object::{Element, Sharing, service_mac};
use iroko_model::security_group::Direction;
use iroko_model::{MacAddress, PortId};
use proptest::prelude::*;

fn vni() -> Vni {
    Vni::try_from(0xff).unwrap()
}

fn mac() -> MacAddress {
    "02:00:00:00:00:10".parse().unwrap()
}

fn vxlan(local: &str) -> Value {
    Value::Vxlan { local: local.parse().unwrap(), mtu: 1450, sharing: Sharing::Nothing }
}

/// One of everything.
fn wanted() -> State {
    let port = PortId::from(uuid::Uuid::from_u128(7));
    State::from([
        (Key::Base, Value::Base("v1".into())),
        (Key::Element(Element::TapMac("ikt1".into(), mac())), Value::Present),
        (Key::Bridge(vni()), Value::Bridge { mtu: 1450 }),
        (Key::Vxlan(vni()), vxlan("192.0.2.1")),
        (Key::Tap("ikt1".into()), Value::Tap { vni: vni(), mtu: 1450, owner: None, sharing: Sharing::Nothing }),
        (Key::Shape("ikt1".into(), Direction::Ingress), Value::Rate(1000)),
        (Key::Shape("ikt1".into(), Direction::Egress), Value::Rate(2000)),
        (Key::Service(vni()), Value::Service { mtu: 1450, addresses: vec![] }),
        (Key::Tunnel(vni(), mac()), Value::Vtep("192.0.2.2".parse().unwrap())),
        (Key::Flood(vni(), "192.0.2.2".parse().unwrap()), Value::Present),
        (Key::Forward(vni(), mac()), Value::Device(vni().vxlan())),
        (Key::Forward(vni(), service_mac(vni())), Value::Device("iksv0000ff".into())),
        (Key::Neighbour(vni(), "10.0.0.9".parse().unwrap()), Value::Mac(mac())),
        (Key::Reservation(vni(), port), Value::Text("line".into())),
        (Key::HostRecord(vni(), port), Value::Text("line".into())),
        (Key::Dnsmasq(vni()), Value::Text("config".into())),
    ])
}

fn shown(actions: &[Action]) -> String {
    actions.iter().map(|action| format!("{action}\n")).collect()
}

/// The state with one thing otherwise, or gone.
fn with(key: Key, value: Option<Value>) -> State {
    let mut state = wanted();
    match value {
        Some(value) => drop(state.insert(key, value)),
        None => drop(state.remove(&key)),
    }
    state
}

#[test]
fn from_nothing_to_all() {
    insta::assert_snapshot!(shown(&all(&wanted(), &State::new())));
}

#[test]
fn from_all_to_nothing() {
    insta::assert_snapshot!(shown(&all(&State::new(), &wanted())));
}

#[test]
fn what_differs_and_no_more() {
    let port = PortId::from(uuid::Uuid::from_u128(7));
    let shares = Value::Vxlan { local: "192.0.2.1".parse().unwrap(), mtu: 1450, sharing: Sharing::Macs };
    let cases = [
        ("nothing", wanted()),
        ("bridge is down", with(Key::Bridge(vni()), Some(Value::wrong("is down")))),
        ("bridge is gone", with(Key::Bridge(vni()), None)),
        ("another VTEP of our own", with(Key::Vxlan(vni()), Some(vxlan("192.0.2.77")))),
        ("tables tampered", with(Key::Base, Some(Value::unusable("differ")))),
        ("learned entry", with(Key::Forward(vni(), mac()), Some(Value::wrong("was learned")))),
        ("moved here", with(Key::Forward(vni(), mac()), Some(Value::Device("ikt9".into())))),
        ("a new name", with(Key::HostRecord(vni(), port), None)),
        ("a new reservation", with(Key::Reservation(vni(), port), None)),
        ("a changed reservation", with(Key::Reservation(vni(), port), Some(Value::Text("old".into())))),
        ("a dead server", with(Key::Dnsmasq(vni()), Some(Value::wrong("does not run")))),
        ("shares addresses", with(Key::Vxlan(vni()), Some(shares))),
        ("a stray flood", with(Key::Flood(vni(), "192.0.2.9".parse().unwrap()), Some(Value::Present))),
        ("another rate", with(Key::Shape("ikt1".into(), Direction::Egress), Some(Value::Rate(1)))),
        ("a tap made anew", with(Key::Tap("ikt1".into()), Some(Value::unusable("is no tap")))),
        ("a stray tap", with(Key::Tap("ikt5".into()), Some(Value::wrong("is on no bridge of ours")))),
    ];
    let text: String =
        cases.iter().map(|(name, state)| format!("== {name}\n{}", shown(&all(&wanted(), state)))).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn a_partial_plan_leaves_the_rest_alone() {
    let service = Key::Service(vni());
    let actions = only(&wanted(), &State::new(), [&service]);
    assert_eq!(actions, [Action::Ensure(service.clone(), wanted()[&service].clone())]);
}

proptest! {
    /// Whatever is there, what the plan makes of it is what is wanted, and then there is no plan.
    #[test]
    fn a_plan_converges(present in proptest::collection::vec(0..4u8, 16), absent in proptest::collection::vec(any::<bool>(), 16)) {
        let mut keys: Vec<Key> = wanted().into_keys().collect();
        keys.sort();
        let mut observed = State::new();
        let mut aim = wanted();
        for ((key, how), absent) in keys.into_iter().zip(present).zip(absent) {
            let value = wanted()[&key].clone();
            match how {
                0 => {}
                1 => drop(observed.insert(key.clone(), value)),
                2 => drop(observed.insert(key.clone(), Value::wrong("is odd"))),
                _ => drop(observed.insert(key.clone(), Value::unusable("is odd"))),
            }
            if absent {
                aim.remove(&key);
            }
        }
        for _ in 0..3 {
            all(&aim, &observed).iter().for_each(|action| crate::apply::note(action, &mut observed));
        }
        prop_assert_eq!(&observed, &aim);
        prop_assert!(all(&aim, &observed).is_empty());
    }
}
