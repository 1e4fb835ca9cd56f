//! Who joins and leaves a network: pure, and right for every watcher, wherever it stands.
//!
//! A host is a member of a network while a port of it is bound there. A batch of changes is read with
//! what is true *now*, and watchers come with any revision, given by this or another process that may
//! have looked in between. So a batch does not say what a change did; it says from which change on the
//! host has been a member without a gap:
//!
//! ```text
//!   a bound port without a change in the batch ──> member all along: nothing to tell
//!   else, of the bound ports, the one whose last change is the first ──> member since: join there
//!   no bound port ──> not a member since the last change: leave there
//! ```
//!
//! Joining twice costs the size of the network once more, leaving twice nothing.

use iroko_model::{HostId, NetworkId};
use std::collections::HashMap;
use uuid::Uuid;

/// A host and a network.
pub type Pair = (HostId, NetworkId);

/// What there is to tell a host of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// From here on it is a member.
    Join,
    /// From here on it is not.
    Leave,
}

/// Whether a host has ports on a network now; where it has none, there is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// One of them was not changed by the batch, nor since.
    Steady,
    /// All of them were changed by the batch, or since. One that was changed since must not count as
    /// steady: to its own batch those of this one are, and nobody would be told to join.
    Fresh,
}

/// Where in a batch to tell which host what. `changes`: the changed ports in order, each with the pair
/// it concerns. `bound`: where those ports are bound now.
pub fn turns(
    changes: &[(usize, Uuid, Pair)],
    bound: impl Fn(Uuid) -> Option<Pair>,
    members: &HashMap<Pair, Membership>,
) -> HashMap<usize, (Pair, Turn)> {
    let mut last_of_port: HashMap<(Uuid, Pair), usize> = HashMap::new();
    let mut last_of_pair: HashMap<Pair, usize> = HashMap::new();
    for (at, port, pair) in changes {
        last_of_port.insert((*port, *pair), *at);
        last_of_pair.insert(*pair, *at);
    }
    let mut since: HashMap<Pair, usize> = HashMap::new();
    for ((port, pair), at) in last_of_port {
        if bound(port) == Some(pair) {
            since.entry(pair).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }
    let turn = |(pair, last): (Pair, usize)| match members.get(&pair) {
        Some(Membership::Steady) => None,
        // A port that was unbound between the two reads has a change of its own to come.
        Some(Membership::Fresh) => Some((since.get(&pair).copied().unwrap_or(last), (pair, Turn::Join))),
        None => Some((last, (pair, Turn::Leave))),
    };
    last_of_pair.into_iter().filter_map(turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_where_on_it_is_a_member_without_a_gap() {
        let pair: Pair = (HostId::new(), NetworkId::new());
        let [p, q, r] = [1, 2, 3].map(Uuid::from_u128);
        let fresh = Some(Membership::Fresh);
        /// Changes in order, ports bound now, membership, what is told.
        type Case<'a> = (&'a [Uuid], &'a [Uuid], Option<Membership>, Option<(usize, Turn)>);
        let table: [Case<'_>; 8] = [
            (&[p], &[p], fresh, Some((0, Turn::Join))),
            (&[p], &[p], Some(Membership::Steady), None),
            (&[p], &[], None, Some((0, Turn::Leave))),
            // p came and went, then q came: who saw the gap must be told of the network again.
            (&[p, p, q], &[q], fresh, Some((2, Turn::Join))),
            // p came and went, and another process told so: who holds the network must lose it.
            (&[p, p], &[], None, Some((1, Turn::Leave))),
            (&[p, q, p], &[q], fresh, Some((1, Turn::Join))),
            (&[p, q, r], &[q, r], fresh, Some((1, Turn::Join))),
            (&[p, q], &[], fresh, Some((1, Turn::Join))),
        ];
        for (changes, bound, member, told) in table {
            let rows: Vec<_> = changes.iter().enumerate().map(|(at, port)| (at, *port, pair)).collect();
            let members = member.map(|member| (pair, member)).into_iter().collect();
            let seen = turns(&rows, |port| bound.contains(&port).then_some(pair), &members);
            let told = told.map(|(at, turn)| (at, (pair, turn))).into_iter().collect();
            assert_eq!(seen, told, "{changes:?}, bound {bound:?}, {member:?}");
        }
    }

    #[test]
    fn a_port_that_moved_joins_one_host_and_leaves_another() {
        let (network, port) = (NetworkId::new(), Uuid::from_u128(1));
        let (old, new) = ((HostId::new(), network), (HostId::new(), network));
        let members = HashMap::from([(new, Membership::Fresh)]);
        let seen = turns(&[(0, port, old), (1, port, new)], |_| Some(new), &members);
        assert_eq!(seen, HashMap::from([(0, (old, Turn::Leave)), (1, (new, Turn::Join))]));
    }
}
