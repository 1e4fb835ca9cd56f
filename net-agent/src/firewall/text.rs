//! Actions -> one nft transaction. Pure.
//!
//! ```text
//!   tables > elements away > sets > chains made and emptied > their rules > elements >
//!   chains emptied and away > sets away
//! ```
//!
//! so that nothing is named before it is there, and nothing goes while it is named. Removals are
//! written as `add` and `delete`, so that what is already gone does not fail the whole.

use super::element::{address_sets, member_sets};
use super::{BASE, Set, of_element};
use crate::object::{Chain, Element, Key, Value};
use crate::plan::Action;
use iroko_model::AddressSetId;
use iroko_model::security_group::Direction;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

const EXPECT: &str = "a string takes all text";
/// Declarations of the sets that come and go, IPv4 and IPv6.
const MEMBERS: [&str; 2] = ["type ifname . ipv4_addr;", "type ifname . ipv6_addr;"];
const ADDRESSES: [&str; 2] = ["type ipv4_addr; flags interval;", "type ipv6_addr; flags interval;"];

/// The transaction of these actions; empty for none.
pub fn transaction(actions: &[Action]) -> String {
    let mut text = String::new();
    if actions.iter().any(|action| matches!(action, Action::Ensure(Key::Base, _))) {
        text.push_str(&remove_tables());
        text.push_str(BASE);
    } else if actions.iter().any(|action| matches!(action, Action::Remove(Key::Base, _))) {
        return remove_tables();
    }
    let mut batches = Batches::default();
    actions.iter().for_each(|action| batches.take(action));
    batches.write_away(&mut text);
    forget_taps(&mut text, actions);
    forget_crowded(&mut text, actions);
    write_sets(&mut text, actions);
    write_chains(&mut text, actions);
    batches.write_new(&mut text);
    remove_chains(&mut text, actions);
    remove_sets(&mut text, actions);
    text
}

fn remove_tables() -> String {
    let per_family = |family| format!("add table {family} ik\ndelete table {family} ik\n");
    per_family("bridge") + &per_family("inet")
}

fn write_sets(text: &mut String, actions: &[Action]) {
    for action in actions {
        match action {
            Action::Ensure(Key::MemberSets(group), _) => declare(text, &member_sets(*group), MEMBERS),
            Action::Ensure(Key::AddressSet(set), Value::Ranges(ranges)) => write_addresses(text, *set, ranges),
            _ => {}
        }
    }
}

fn declare(text: &mut String, names: &[String; 2], types: [&str; 2]) {
    for (name, declaration) in names.iter().zip(types) {
        writeln!(text, "add set inet ik {name} {{ {declaration} }}").expect(EXPECT);
    }
}

fn write_addresses(text: &mut String, set: AddressSetId, ranges: &[(IpAddr, IpAddr)]) {
    let names = address_sets(set);
    declare(text, &names, ADDRESSES);
    for (name, four) in names.iter().zip([true, false]) {
        writeln!(text, "flush set inet ik {name}").expect(EXPECT);
        let item = |(first, last): &(IpAddr, IpAddr)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        let items: Vec<String> = ranges.iter().filter(|range| range.0.is_ipv4() == four).map(item).collect();
        if !items.is_empty() {
            writeln!(text, "add element inet ik {name} {{ {} }}", items.join(", ")).expect(EXPECT);
        }
    }
}

/// All chains first, for they jump to each other.
fn write_chains(text: &mut String, actions: &[Action]) {
    let chains = || {
        actions.iter().filter_map(|action| match action {
            Action::Ensure(Key::Chain(chain), Value::Text(rules)) => Some((chain, rules)),
            _ => None,
        })
    };
    for (chain, _) in chains() {
        empty(text, chain);
    }
    for (chain, rules) in chains() {
        for rule in rules.lines() {
            writeln!(text, "add rule {} ik {chain} {rule}", chain.family()).expect(EXPECT);
        }
    }
}

/// Makes a chain if it is not there, and empties it.
fn empty(text: &mut String, chain: &Chain) {
    let family = chain.family();
    writeln!(text, "add chain {family} ik {chain}\nflush chain {family} ik {chain}").expect(EXPECT);
}

/// What the kernel itself has noted of taps that go.
fn forget_taps(text: &mut String, actions: &[Action]) {
    let tap = |action: &Action| match action {
        Action::Remove(Key::Element(Element::Tap(tap, Direction::Egress)), _) => Some(format!("\"{tap}\"")),
        _ => None,
    };
    let gone: BTreeSet<String> = actions.iter().filter_map(tap).collect();
    if gone.is_empty() {
        return;
    }
    let gone = gone.into_iter().collect::<Vec<_>>().join(", ");
    for set in ["refused", "askers"] {
        for verb in ["add", "delete"] {
            writeln!(text, "{verb} element bridge ik {set} {{ {gone} }}").expect(EXPECT);
        }
    }
}

/// What the kernel itself has noted of the flows of ports that go.
fn forget_crowded(text: &mut String, actions: &[Action]) {
    for (direction, set) in [(Direction::Egress, "over_begins"), (Direction::Ingress, "over_gets")] {
        let key = |action: &Action| match action {
            Action::Remove(Key::Element(Element::Flows(vni, Some(mac), way)), _) if *way == direction => {
                Some(format!("\"{}\" . {mac}", vni.bridge()))
            }
            _ => None,
        };
        let gone: BTreeSet<String> = actions.iter().filter_map(key).collect();
        if gone.is_empty() {
            continue;
        }
        let gone = gone.into_iter().collect::<Vec<_>>().join(", ");
        for verb in ["add", "delete"] {
            writeln!(text, "{verb} element inet ik {set} {{ {gone} }}").expect(EXPECT);
        }
    }
}

fn remove_chains(text: &mut String, actions: &[Action]) {
    let chains = || {
        actions.iter().filter_map(|action| match action {
            Action::Remove(Key::Chain(chain), _) => Some(chain),
            _ => None,
        })
    };
    chains().for_each(|chain| empty(text, chain));
    chains().for_each(|chain| writeln!(text, "delete chain {} ik {chain}", chain.family()).expect(EXPECT));
}

fn remove_sets(text: &mut String, actions: &[Action]) {
    for action in actions {
        let (names, types) = match action {
            Action::Remove(Key::MemberSets(group), _) => (member_sets(*group), MEMBERS),
            Action::Remove(Key::AddressSet(set), _) => (address_sets(*set), ADDRESSES),
            _ => continue,
        };
        declare(text, &names, types);
        names.iter().for_each(|name| writeln!(text, "delete set inet ik {name}").expect(EXPECT));
    }
}

/// Elements by set: nft takes a thousand in one command as quickly as one.
#[derive(Default)]
struct Batches {
    away: BTreeMap<Set, Vec<(String, Option<String>)>>,
    new: BTreeMap<Set, Vec<(String, Option<String>)>>,
}

impl Batches {
    fn take(&mut self, action: &Action) {
        match action {
            Action::Ensure(Key::Element(element), value) => put(&mut self.new, element, value),
            Action::Remove(Key::Element(element), value) => put(&mut self.away, element, value),
            Action::Ensure(..) | Action::Remove(..) | Action::Reload(_) => {}
        }
    }

    fn write_away(&self, text: &mut String) {
        for (set, elements) in &self.away {
            command(text, "add", set, elements);
            let keys: Vec<_> = elements.iter().map(|(key, _)| (key.clone(), None)).collect();
            command(text, "delete", set, &keys);
        }
    }

    fn write_new(&self, text: &mut String) {
        for (set, elements) in &self.new {
            command(text, "add", set, elements);
        }
    }
}

fn put(batch: &mut BTreeMap<Set, Vec<(String, Option<String>)>>, element: &Element, value: &Value) {
    let (set, key, data) = of_element(element, Some(value));
    batch.entry(set).or_default().push((key, data));
}

fn command(text: &mut String, verb: &str, set: &Set, elements: &[(String, Option<String>)]) {
    let item = |(key, data): &(String, Option<String>)| match data {
        Some(data) => format!("{key}{data}"),
        None => key.clone(),
    };
    let items: Vec<String> = elements.iter().map(item).collect();
    let Set { family, name } = set;
    writeln!(text, "{verb} element {family} ik {name} {{ {} }}", items.join(", ")).expect(EXPECT);
}
