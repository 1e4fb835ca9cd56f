//! Wanted and observed state -> the actions that make the one of the other. Pure.
//!
//! Order of a plan, each step able to rely on those before it:
//!
//! ```text
//!   taps and their queues away > filter (one transaction: tables, elements away, sets, chains of groups, chains of
//!   ports, elements, chains and sets away) > servers, records, cables,
//!   forwarding, VXLAN devices and bridges away > bridges > VXLAN devices > taps > their queues,
//!   services > forwarding > records > servers started or reloaded
//! ```
//!
//! A tap thus comes up only after its filter, and a filter goes only after its tap; in between an
//! unknown tap is dropped. A state that is right gives an empty plan.

use crate::object::{Chain, Key, State, Value};
use iroko_model::Vni;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the thing so, whether it is there or not.
    Ensure(Key, Value),
    /// Take away the thing that was seen like this. Already gone is fine.
    Remove(Key, Value),
    /// Let a running server read its records again.
    Reload(Vni),
}

impl Action {
    /// The thing this is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Ensure(key, _) | Self::Remove(key, _) => key.clone(),
            Self::Reload(vni) => Key::Dnsmasq(*vni),
        }
    }

    /// True for what goes into the nftables transaction.
    pub fn is_filter(&self) -> bool {
        match self {
            Self::Ensure(key, _) | Self::Remove(key, _) => key.is_filter(),
            Self::Reload(_) => false,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Remove(key, _) => removal_rank(key),
            Self::Ensure(key, _) => ensure_rank(key),
            Self::Reload(_) => 30,
        }
    }
}

const fn removal_rank(key: &Key) -> u8 {
    match key {
        Key::Tap(_) | Key::Shape(..) => 0,
        Key::Base | Key::Element(_) => 2,
        // What is referred to goes after all that may refer to it.
        Key::Chain(Chain::Port(..) | Chain::Tap(..)) => 7,
        Key::Chain(Chain::Group(..) | Chain::Limit(..) | Chain::Log(..) | Chain::Refused(_)) => 8,
        Key::MemberSets(_) | Key::AddressSet(_) => 9,
        Key::Dnsmasq(_) => 10,
        Key::Reservation(..) | Key::HostRecord(..) => 11,
        Key::Service(_) => 12,
        Key::Tunnel(..) | Key::Flood(..) | Key::Forward(..) | Key::Neighbour(..) => 13,
        Key::Vxlan(_) => 14,
        Key::Bridge(_) => 15,
    }
}

const fn ensure_rank(key: &Key) -> u8 {
    match key {
        Key::Base => 1,
        Key::MemberSets(_) | Key::AddressSet(_) => 3,
        Key::Chain(Chain::Group(..) | Chain::Limit(..) | Chain::Log(..) | Chain::Refused(_)) => 4,
        Key::Chain(Chain::Port(..) | Chain::Tap(..)) => 5,
        Key::Element(_) => 6,
        Key::Bridge(_) => 20,
        Key::Vxlan(_) => 21,
        Key::Tap(_) => 22,
        Key::Service(_) | Key::Shape(..) => 23,
        Key::Tunnel(..) | Key::Flood(..) | Key::Forward(..) | Key::Neighbour(..) => 24,
        Key::Reservation(..) | Key::HostRecord(..) => 25,
        Key::Dnsmasq(_) => 30,
    }
}

/// Compares everything.
pub fn all(wanted: &State, observed: &State) -> Vec<Action> {
    only(wanted, observed, wanted.keys().chain(observed.keys().filter(|key| !wanted.contains_key(key))))
}

/// Compares the things with these keys and leaves all others alone.
pub fn only<'a>(wanted: &State, observed: &State, keys: impl IntoIterator<Item = &'a Key>) -> Vec<Action> {
    let keys: Vec<&Key> = keys.into_iter().collect();
    let lost = lost(wanted, observed, &keys);
    let mut actions: Vec<Action> = keys.iter().flat_map(|key| compare(key, wanted, observed, &lost)).collect();
    // A parent that is made anew takes children along that nobody asked about.
    let orphans = wanted.keys().filter(|_| !lost.is_empty()).filter(|key| is_lost(key, observed, &lost));
    let asked: HashSet<&Key> = keys.iter().copied().collect();
    actions.extend(orphans.filter(|key| !asked.contains(key)).flat_map(|key| compare(key, wanted, observed, &lost)));
    actions.extend(reloads(wanted, observed, &actions));
    actions.sort_by_cached_key(|action| (action.rank(), action.key()));
    actions
}

/// Things that go with whatever is removed or made anew.
fn lost<'a>(wanted: &State, observed: &State, keys: &[&'a Key]) -> HashSet<&'a Key> {
    let goes = |key: &Key| match (wanted.get(key), observed.get(key)) {
        (Some(_), None) | (None, Some(_)) => is_parent(key),
        (Some(new), Some(old)) => is_parent(key) && (old.needs_remake(new) || (*key == Key::Base && old != new)),
        (None, None) => false,
    };
    keys.iter().copied().filter(|key| goes(key)).collect()
}

const fn is_parent(key: &Key) -> bool {
    matches!(key, Key::Base | Key::Bridge(_) | Key::Vxlan(_) | Key::Tap(_))
}

fn is_lost(key: &Key, observed: &State, lost: &HashSet<&Key>) -> bool {
    let by_parent = key.parent().is_some_and(|parent| lost.contains(&parent));
    by_parent || device(observed.get(key)).is_some_and(|device| lost.contains(&device))
}

/// The VXLAN device a forwarding entry points to goes with the entry when it is made anew.
fn device(value: Option<&Value>) -> Option<Key> {
    let Some(Value::Device(name)) = value else { return None };
    crate::object::vni_of(name, "ikvx").map(Key::Vxlan)
}

fn compare(key: &Key, wanted: &State, observed: &State, lost: &HashSet<&Key>) -> Vec<Action> {
    let lost = is_lost(key, observed, lost);
    match (wanted.get(key), observed.get(key)) {
        (Some(new), Some(old)) if old == new && !lost => vec![],
        // The tables replace themselves in their own transaction.
        (Some(new), Some(old)) if old.needs_remake(new) && !lost && *key != Key::Base => {
            vec![Action::Remove(key.clone(), old.clone()), Action::Ensure(key.clone(), new.clone())]
        }
        (Some(new), _) => vec![Action::Ensure(key.clone(), new.clone())],
        (None, Some(old)) if !lost => vec![Action::Remove(key.clone(), old.clone())],
        (None, _) => vec![],
    }
}

/// Servers whose records change read them again, or start anew where an instance's reservation was
/// taken away: dnsmasq would otherwise keep the address leased to the instance that is gone.
fn reloads(wanted: &State, observed: &State, actions: &[Action]) -> Vec<Action> {
    let started: HashSet<Key> = actions.iter().map(Action::key).filter(|key| matches!(key, Key::Dnsmasq(_))).collect();
    let mut restart: BTreeMap<Vni, bool> = BTreeMap::new();
    for action in actions {
        let key = action.key();
        let Some(vni) = key.record_of() else { continue };
        let forgets = matches!(key, Key::Reservation(..)) && observed.contains_key(&key);
        *restart.entry(vni).or_default() |= forgets;
    }
    let again = restart.into_iter().filter(|(vni, _)| !started.contains(&Key::Dnsmasq(*vni)));
    again
        .filter_map(|(vni, restart)| {
            let value = wanted.get(&Key::Dnsmasq(vni))?;
            Some(if restart { Action::Ensure(Key::Dnsmasq(vni), value.clone()) } else { Action::Reload(vni) })
        })
        .collect()
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ensure(key, value) => write!(f, "ensure {key}: {value:?}"),
            Self::Remove(key, _) => write!(f, "remove {key}"),
            Self::Reload(vni) => write!(f, "reload {}", Key::Dnsmasq(*vni)),
        }
    }
}

#[cfg(test)]
mod tests;
