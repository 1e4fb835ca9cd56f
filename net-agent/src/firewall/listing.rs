//! What nft lists -> tables, chains, sets and elements. Pure.

use super::element::{id_in, to_range};
use super::{FirewallError, fnv1a, to_element};
use crate::object::{Chain, Key, State, Value};
use iroko_model::{AddressSetId, SecurityGroupId};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A table as nft lists it in JSON, without what changes by itself.
#[derive(Debug)]
pub struct Listing {
    /// What is always there, in a form that can be compared.
    pub skeleton: String,
    /// A hash of the rules of each chain that comes and goes.
    pub chains: BTreeMap<Chain, u64>,
    /// Sets that come and go, and elements.
    pub state: State,
}

/// Reads a listing.
pub fn read(listing: &str) -> Result<Listing, FirewallError> {
    let (mut lines, mut chains, mut sets) = (Vec::new(), BTreeMap::<Chain, String>::new(), Sets::default());
    let mut state = State::new();
    for mut object in objects(listing)? {
        if let Some(chain) = chain_of(&object) {
            let rules = chains.entry(chain).or_default();
            if let Some(rule) = object.get_mut("rule") {
                scrub(rule);
                rules.push_str(&rule.to_string());
            }
            continue;
        }
        if sets.take(&object, &mut state) {
            continue;
        }
        state.extend(elements_of(&object));
        scrub(&mut object);
        lines.push(object.to_string());
    }
    state.extend(sets.finish());
    let chains = chains.into_iter().map(|(chain, rules)| (chain, fnv1a(rules.as_bytes()))).collect();
    Ok(Listing { skeleton: lines.join("\n"), chains, state })
}

/// The chain that comes and goes which this declares, or has this rule.
fn chain_of(object: &Json) -> Option<Chain> {
    let name = object.pointer("/chain/name").or_else(|| object.pointer("/rule/chain"))?;
    Chain::from_name(name.as_str()?)
}

fn elements_of(object: &Json) -> impl Iterator<Item = (Key, Value)> {
    let body = object.get("set").or_else(|| object.get("map"));
    let name = body.and_then(|body| body.get("name")).and_then(Json::as_str).unwrap_or_default();
    items(body).filter_map(|item| to_element(name, item)).map(|(element, value)| (Key::Element(element), value))
}

fn items(body: Option<&Json>) -> impl Iterator<Item = &Json> {
    body.and_then(|body| body.get("elem")).and_then(Json::as_array).into_iter().flatten()
}

/// Takes away what is counted, numbered or kept elsewhere.
fn scrub(json: &mut Json) {
    match json {
        Json::Object(fields) => {
            for name in ["elem", "handle", "packets", "bytes"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(scrub);
        }
        Json::Array(items) => items.iter_mut().for_each(scrub),
        _ => {}
    }
}

/// The pairs of sets that come and go.
#[derive(Default)]
struct Sets {
    members: BTreeMap<SecurityGroupId, u8>,
    addresses: BTreeMap<AddressSetId, (u8, Vec<(IpAddr, IpAddr)>)>,
}

impl Sets {
    /// True where the object is one of these sets.
    fn take(&mut self, object: &Json, state: &mut State) -> bool {
        let Some(name) = object.pointer("/set/name").and_then(Json::as_str) else { return false };
        if let Some(group) = id_in(name, 'g') {
            *self.members.entry(group).or_default() += 1;
            state.extend(elements_of(object));
        } else if let Some(set) = id_in(name, 'a') {
            let (found, ranges) = self.addresses.entry(set).or_default();
            *found += 1;
            ranges.extend(items(object.get("set")).filter_map(to_range));
        } else {
            return false;
        }
        true
    }

    fn finish(self) -> impl Iterator<Item = (Key, Value)> {
        let half = || Value::wrong("has lost one of its two sets");
        let members = self
            .members
            .into_iter()
            .map(move |(group, found)| (Key::MemberSets(group), if found == 2 { Value::Present } else { half() }));
        let addresses = self.addresses.into_iter().map(move |(set, (found, mut ranges))| {
            ranges.sort_unstable();
            (Key::AddressSet(set), if found == 2 { Value::Ranges(ranges) } else { half() })
        });
        members.chain(addresses)
    }
}

fn objects(listing: &str) -> Result<Vec<Json>, FirewallError> {
    let unreadable = || FirewallError::Unreadable(listing.chars().take(200).collect());
    let mut root: Json = serde_json::from_str(listing).map_err(|_| unreadable())?;
    let Some(Json::Array(objects)) = root.get_mut("nftables").map(Json::take) else { return Err(unreadable()) };
    Ok(objects.into_iter().filter(|object| object.get("metainfo").is_none()).collect())
}
