use super::*;
use crate::object::{Chain, Element, Key, State, Value};
use crate::plan::Action;
use iroko_agent_wire::{AddressSetSpec, RuleSpec, SecurityGroupSpec};
use iroko_model::security_group::{Direction, Rule};
use iroko_model::{AddressSetId, MacAddress, SecurityGroupId, SecurityGroupRuleId, Vni};
use uuid::Uuid;

fn group(n: u128) -> SecurityGroupId {
    Uuid::from_u128(n).into()
}

fn set(n: u128) -> AddressSetId {
    Uuid::from_u128(n).into()
}

fn rules(texts: &[&str]) -> SecurityGroupSpec {
    let rule = |(n, text): (usize, &&str)| RuleSpec {
        id: SecurityGroupRuleId::from(Uuid::from_u128(u128::try_from(n).unwrap())),
        rule: serde_json::from_str::<Rule>(text).unwrap(),
    };
    let rules = texts.iter().enumerate().map(rule).collect();
    SecurityGroupSpec { id: group(1), generation: 1, is_stateful: true, rules }
}

/// Every kind of rule as nft reads it, and in which order all is written.
#[test]
fn groups_as_text() {
    let spec = rules(&[
        r#"{"direction":"ingress","ethertype":"ipv4","protocol":"tcp","ports":{"from":22,"to":22},"remote":"any"}"#,
        r#"{"direction":"ingress","ethertype":"ipv6","protocol":"udp","ports":{"from":1,"to":9},"remote":{"cidr":"fd00::/8"}}"#,
        r#"{"direction":"ingress","ethertype":"ipv4","protocol":"tcp","ports":{"from":0,"to":65535},"remote":{"cidr":"0.0.0.0/0"}}"#,
        r#"{"direction":"ingress","ethertype":"ipv4","protocol":"icmp","icmp":{"type":3,"code":4},"remote":"any"}"#,
        r#"{"direction":"ingress","ethertype":"ipv6","protocol":"icmpv6","icmp":{"type":128},"remote":"any"}"#,
        r#"{"direction":"ingress","ethertype":"ipv4","protocol":"47","remote":{"group":"00000000-0000-0000-0000-000000000007"}}"#,
        r#"{"direction":"egress","ethertype":"ipv6","remote":{"address_set":"00000000-0000-0000-0000-000000000009"}}"#,
        r#"{"direction":"egress","ethertype":"ipv4","remote":{"group":"00000000-0000-0000-0000-000000000007"}}"#,
    ]);
    let chain = |chain, text: String| Action::Ensure(Key::Chain(chain), Value::Text(text));
    let cidrs = ["10.0.0.0/8", "11.0.0.0/8", "192.0.2.1/32", "fd00::/64"].map(|text| text.parse().unwrap()).to_vec();
    let addresses = AddressSetSpec { id: set(9), generation: 1, cidrs };
    let actions = [
        Action::Ensure(Key::MemberSets(group(7)), Value::Present),
        Action::Ensure(Key::AddressSet(set(9)), Value::Ranges(group::ranges(&addresses))),
        chain(Chain::Group(group(1), Direction::Ingress), group::group_chain(&spec, Direction::Ingress)),
        chain(Chain::Group(group(1), Direction::Egress), group::group_chain(&spec, Direction::Egress)),
        chain(
            Chain::Port("ikt1".to_owned(), Direction::Ingress),
            group::port_chain(&[group(1), group(2)], Direction::Ingress),
        ),
        Action::Remove(Key::Chain(Chain::Port("ikt2".to_owned(), Direction::Egress)), Value::Text(String::new())),
        Action::Remove(Key::Chain(Chain::Group(group(3), Direction::Egress)), Value::Text(String::new())),
        Action::Remove(Key::MemberSets(group(4)), Value::Present),
    ];
    insta::assert_snapshot!(text::transaction(&actions));
}

fn elements() -> Vec<(Element, Value)> {
    let (vni, tap) = (Vni::try_from(0xff).unwrap(), || "ikt1".to_owned());
    vec![
        (Element::TapMac(tap(), "02:00:00:00:00:10".parse().unwrap()), Value::Present),
        (Element::TapIp(tap(), "10.0.0.10".parse().unwrap()), Value::Present),
        (Element::TapIp(tap(), "fd00:1::a".parse().unwrap()), Value::Present),
        (Element::TapNd(tap(), "fd00:1::a".parse().unwrap()), Value::Present),
        (Element::Zone(vni), Value::Zone(255)),
        (Element::TapRange(tap(), "10.0.9.0/24".parse().unwrap()), Value::Present),
        (Element::TapNdRange(tap(), "fd00:9::".parse().unwrap(), "fd00:9::ff".parse().unwrap()), Value::Present),
        (Element::TapShares(tap()), Value::Present),
        (Element::Shared(vni, "10.0.9.0/24".parse().unwrap()), Value::Present),
        (Element::SharedNd(vni, "fd00:9::".parse().unwrap(), "fd00:9::ff".parse().unwrap()), Value::Present),
        (Element::Tap("ikt2".to_owned(), Direction::Ingress), Value::Verdict("goto to_ikt2".to_owned())),
        (Element::Receiver(vni, "02:00:00:00:00:10".parse().unwrap()), Value::Verdict("goto members".to_owned())),
        (Element::GroupMember(group(7), vni, "10.0.0.20".parse().unwrap()), Value::Present),
        (Element::Member(vni, "10.0.0.10".parse().unwrap()), Value::Present),
        (Element::Member(vni, "10.0.0.20".parse().unwrap()), Value::Present),
    ]
}

#[test]
fn additions_and_removals_in_one_transaction() {
    let (gone, new): (Vec<_>, Vec<_>) =
        elements().into_iter().enumerate().partition(|(index, _)| *index == 12 || *index == 4);
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
        {"set": {"family": "bridge", "name": "tap_range4", "elem": [{"concat": ["ikt1", {"prefix": {"addr": "10.0.9.0", "len": 24}}]}]}},
        {"set": {"family": "bridge", "name": "tap_nd_range", "elem": [{"concat": ["ikt1", {"range": ["0xfd000009000000000000000000000000", "0xfd0000090000000000000000000000ff"]}]}]}},
        {"set": {"family": "bridge", "name": "tap_shares", "elem": ["ikt1"]}},
        {"set": {"family": "bridge", "name": "shared4", "elem": [{"concat": ["ikvx0000ff", {"prefix": {"addr": "10.0.9.0", "len": 24}}]}]}},
        {"set": {"family": "bridge", "name": "shared_nd", "elem": [{"concat": ["ikvx0000ff", {"range": ["0xfd000009000000000000000000000000", "0xfd0000090000000000000000000000ff"]}]}]}},
        {"set": {"family": "bridge", "name": "askers", "elem": [{"elem": {"val": "ikt1", "timeout": 60, "expires": 59, "limit": {"rate": 100, "burst": 200, "per": "second"}}}]}},
        {"map": {"family": "bridge", "name": "taps_to", "map": "verdict", "elem": [["ikt2", {"goto": {"target": "to_ikt2"}}]]}},
        {"map": {"family": "inet", "name": "receivers", "elem": [[{"concat": ["ikbr0000ff", "02:00:00:00:00:10"]}, {"goto": {"target": "members"}}]]}},
        {"set": {"family": "inet", "name": "g4_00000000000000000000000000000007", "elem": [{"concat": ["ikbr0000ff", "10.0.0.20"]}]}},
        {"set": {"family": "inet", "name": "g6_00000000000000000000000000000007"}},
        {"set": {"family": "inet", "name": "a4_00000000000000000000000000000009", "elem": [{"range": ["10.0.0.0", "11.255.255.255"]}]}},
        {"chain": {"family": "inet", "name": "in_ikt1", "handle": 5}},
        {"rule": {"family": "inet", "chain": "in_ikt1", "handle": 6, "expr": [{"counter": {"packets": 3, "bytes": 9}}, {"drop": null}]}},
        {"set": {"family": "inet", "name": "members4", "elem": [{"concat": ["ikbr0000ff", "10.0.0.10"]}, {"concat": ["ikbr0000ff", "10.0.0.20"]}]}}]}"#;
    let mut expected: State = elements().into_iter().map(|(element, value)| (Key::Element(element), value)).collect();
    expected.insert(Key::MemberSets(group(7)), Value::Present);
    expected.insert(Key::AddressSet(set(9)), Value::wrong("has lost one of its two sets"));
    let read = listing::read(listing).unwrap();
    assert_eq!(read.state, expected);
    let skeleton = &read.skeleton;
    assert!(skeleton.contains("tap_mac") && !skeleton.contains("02:00") && !skeleton.contains("handle"), "{skeleton}");
    assert!(!skeleton.contains("g4_") && !skeleton.contains("in_ikt1"), "{skeleton}");
    let port = Chain::Port("ikt1".to_owned(), Direction::Ingress);
    let counted = listing::read(&listing.replace("\"packets\": 3", "\"packets\": 4")).unwrap();
    assert_eq!(counted.chains[&port], read.chains[&port], "what is counted is no change");
    let changed = listing::read(&listing.replace("drop", "accept")).unwrap();
    assert_ne!(changed.chains[&port], read.chains[&port]);
    assert!(matches!(listing::read("what?"), Err(FirewallError::Unreadable(_))));
}

/// What the kernel noted by itself goes with the tap, whatever it was noted for.
#[test]
fn what_the_kernel_noted_of_a_tap_goes_with_it() {
    let remove = |element| Action::Remove(Key::Element(element), Value::Present);
    let tap = |n| Element::Tap(format!("ikt{n}"), Direction::Egress);
    let removal = text::transaction(&[remove(tap(1)), remove(tap(2))]);
    for set in ["refused", "askers"] {
        let (add, delete) = ("add", "delete");
        let lines = [add, delete].map(|verb| format!("{verb} element bridge ik {set} {{ \"ikt1\", \"ikt2\" }}\n"));
        assert!(removal.contains(&lines.concat()), "{removal}");
    }
    let other = text::transaction(&[remove(Element::TapMac("ikt1".to_owned(), MacAddress::local([1; 5])))]);
    assert!(!other.contains("refused"), "{other}");
}
