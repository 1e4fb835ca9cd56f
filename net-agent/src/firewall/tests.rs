use super::*;
use crate::object::{Element, Key, State, Value};
use crate::plan::Action;
use iroko_model::Vni;

fn elements() -> Vec<(Element, Value)> {
    let (vni, tap) = (Vni::try_from(0xff).unwrap(), || "ikt1".to_owned());
    vec![
        (Element::TapMac(tap(), "02:00:00:00:00:10".parse().unwrap()), Value::Present),
        (Element::TapIp(tap(), "10.0.0.10".parse().unwrap()), Value::Present),
        (Element::TapIp(tap(), "fd00:1::a".parse().unwrap()), Value::Present),
        (Element::TapNd(tap(), "fd00:1::a".parse().unwrap()), Value::Present),
        (Element::Zone(vni), Value::Zone(255)),
        (Element::PortIp(vni, "10.0.0.10".parse().unwrap()), Value::Present),
        (Element::Member(vni, "10.0.0.10".parse().unwrap()), Value::Present),
        (Element::Member(vni, "10.0.0.20".parse().unwrap()), Value::Present),
    ]
}

#[test]
fn additions_and_removals_in_one_transaction() {
    let (gone, new): (Vec<_>, Vec<_>) =
        elements().into_iter().enumerate().partition(|(index, _)| *index == 7 || *index == 4);
    let gone = gone.into_iter().map(|(_, (element, value))| Action::Remove(Key::Element(element), value));
    let new = new.into_iter().map(|(_, (element, value))| Action::Ensure(Key::Element(element), value));
    let actions: Vec<_> = gone.chain(new).collect();
    insta::assert_snapshot!(text::transaction(&actions));
}

#[test]
fn tables_come_with_their_elements_and_replace_what_was() {
    let base = Action::Ensure(Key::Base, Value::Base(VERSION.clone()));
    let element = Action::Ensure(Key::Element(elements()[0].0.clone()), Value::Present);
    let text = text::transaction(&[base, element]);
    assert!(text.starts_with("add table bridge ik\ndelete table bridge ik\n"));
    assert!(text.contains(BASE) && text.ends_with("add element bridge ik tap_mac { \"ikt1\" . 02:00:00:00:00:10 }\n"));
}

#[test]
fn elements_are_read_as_nft_lists_them() {
    let listing = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
        {"set": {"family": "bridge", "name": "tap_mac", "handle": 7, "elem": [{"concat": ["ikt1", "02:00:00:00:00:10"]}]}},
        {"set": {"family": "bridge", "name": "tap_ip4", "elem": [{"concat": ["ikt1", "10.0.0.10"]}]}},
        {"set": {"family": "bridge", "name": "tap_ip6", "elem": [{"concat": ["ikt1", "fd00:1::a"]}]}},
        {"set": {"family": "bridge", "name": "tap_nd", "elem": [{"concat": ["ikt1", "0xfd00000100000000000000000000000a"]}]}},
        {"map": {"family": "inet", "name": "zones", "map": "integer", "elem": [["ikbr0000ff", 255]]}},
        {"map": {"family": "inet", "name": "ports4", "elem": [[{"concat": ["ikbr0000ff", "10.0.0.10"]}, {"goto": {"target": "members"}}]]}},
        {"set": {"family": "inet", "name": "members4", "elem": [{"concat": ["ikbr0000ff", "10.0.0.10"]}, {"concat": ["ikbr0000ff", "10.0.0.20"]}]}}]}"#;
    let expected: State = elements().into_iter().map(|(element, value)| (Key::Element(element), value)).collect();
    assert_eq!(listing::elements(listing).unwrap(), expected);
    let skeleton = listing::skeleton(listing).unwrap();
    assert!(skeleton.contains("tap_mac") && !skeleton.contains("02:00") && !skeleton.contains("handle"));
    assert!(matches!(listing::elements("what?"), Err(FirewallError::Unreadable(_))));
}
