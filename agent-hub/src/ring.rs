//! The recent changes, by whom they concern. In memory, bounded, rebuilt from the outbox at start.
//!
//! An entry concerns one host, or all hosts that need something. When the bound is reached the oldest
//! entry goes and the *floor* rises: a host further behind than the floor gets everything.

use crate::batch::{Notice, Scope};
use iroko_agent_wire::{AgentKind, Need, ObjectKey};
use iroko_model::{HostId, InstanceId};
use std::collections::{HashMap, HashSet, VecDeque};

/// Entries kept.
pub const ENTRIES_MAX: usize = 10_000;

#[derive(Debug)]
struct Entry {
    order: u64,
    revision: i64,
    notice: Notice,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ring {
    by_scope: HashMap<Scope, VecDeque<Entry>>,
    /// Scopes in the order of their entries, oldest first.
    order: VecDeque<Scope>,
    next: u64,
    floor: i64,
    needs: HashMap<HostId, HashSet<Need>>,
    needed_by: HashMap<Need, HashSet<HostId>>,
}

/// What a host has not seen yet.
#[derive(Debug, Default)]
pub struct News {
    /// Changes and beginnings, in order; of an object only the last.
    pub notices: Vec<Notice>,
    /// Wanted console logs.
    pub consoles: Vec<InstanceId>,
}

impl Ring {
    /// An empty ring that knows everything from `floor` on.
    pub fn new(floor: i64) -> Self {
        Self { floor, ..Self::default() }
    }

    /// The oldest revision from which on the ring knows everything.
    pub const fn floor(&self) -> i64 {
        self.floor
    }

    /// Adds an entry, newer than all before it.
    pub fn push(&mut self, scope: Scope, revision: i64, notice: Notice) {
        let order = self.next;
        self.next += 1;
        self.by_scope.entry(scope).or_default().push_back(Entry { order, revision, notice });
        self.order.push_back(scope);
        while self.order.len() > ENTRIES_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(scope) = self.order.pop_front() else { return };
        let Some(entries) = self.by_scope.get_mut(&scope) else { return };
        if let Some(entry) = entries.pop_front() {
            self.floor = entry.revision + 1;
        }
        if entries.is_empty() {
            self.by_scope.remove(&scope);
        }
    }

    /// Notes all that a host needs.
    pub fn set_needs(&mut self, host: HostId, needs: HashSet<Need>) {
        for old in self.needs.remove(&host).unwrap_or_default() {
            remove(&mut self.needed_by, &old, &host);
        }
        for need in &needs {
            self.needed_by.entry(*need).or_default().insert(host);
        }
        if !needs.is_empty() {
            self.needs.insert(host, needs);
        }
    }

    /// Hosts that an entry of this scope concerns.
    pub fn hosts_of(&self, scope: Scope) -> Vec<HostId> {
        match scope {
            Scope::Host(host) => vec![host],
            Scope::Need(need) => self.needed_by.get(&need).into_iter().flatten().copied().collect(),
        }
    }

    /// What concerns one agent of a host from `revision` on.
    pub fn news(&self, host: HostId, agent: AgentKind, revision: i64) -> News {
        let needs = self.needs.get(&host).into_iter().flatten().filter(|need| need.agent() == agent);
        let mut entries: Vec<&Entry> = self.since(Scope::Host(host), revision).collect();
        entries.extend(needs.flat_map(|need| self.since(Scope::Need(*need), revision)));
        entries.sort_unstable_by_key(|entry| entry.order);
        let (mut news, mut last) = (News::default(), HashMap::new());
        for entry in entries.into_iter().filter(|entry| agent_of(&entry.notice) == agent) {
            news.add(&entry.notice, &mut last);
        }
        news
    }

    fn since(&self, scope: Scope, revision: i64) -> impl Iterator<Item = &Entry> {
        let entries = self.by_scope.get(&scope);
        entries.into_iter().flat_map(move |entries| {
            let start = entries.partition_point(|entry| entry.revision < revision);
            entries.range(start..)
        })
    }
}

impl News {
    /// Adds a notice, newer than those before. `last`: where the last of each object stands, since a need last began.
    fn add(&mut self, notice: &Notice, last: &mut HashMap<ObjectKey, usize>) {
        match notice {
            Notice::Console(id) => return self.consoles.push(*id),
            // The last one counts: what stands between two of them is in it. What follows stays behind it.
            Notice::Begin(need) => {
                self.notices.retain(|notice| !matches!(notice, Notice::Begin(earlier) if earlier == need));
                last.clear();
            }
            Notice::Change(change) => {
                let next = self.notices.len();
                let at = change.key().map_or(next, |key| *last.entry(key).or_insert(next));
                if let Some(earlier) = self.notices.get_mut(at) {
                    *earlier = notice.clone();
                    return;
                }
            }
        }
        self.notices.push(notice.clone());
    }
}

fn agent_of(notice: &Notice) -> AgentKind {
    match notice {
        Notice::Console(_) => AgentKind::Compute,
        Notice::Begin(need) => need.agent(),
        Notice::Change(change) => change.agent(),
    }
}

fn remove<K: std::hash::Hash + Eq, V: std::hash::Hash + Eq>(map: &mut HashMap<K, HashSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_agent_wire::Change;
    use iroko_model::{NetworkId, PortId};

    fn gone(port: PortId) -> Notice {
        Notice::Change(Change::Gone(ObjectKey::Port(port)))
    }

    #[test]
    fn news_are_per_host_need_and_agent() {
        let (a, b, n, port) = (HostId::new(), HostId::new(), NetworkId::new(), PortId::new());
        let need = Need::Network(n);
        let mut ring = Ring::new(10);
        ring.set_needs(a, HashSet::from([need]));
        ring.push(Scope::Need(need), 11, Notice::Change(Change::Gone(ObjectKey::Peer(n, port))));
        ring.push(Scope::Host(a), 12, gone(port));
        ring.push(Scope::Host(a), 13, gone(port));
        ring.push(Scope::Host(a), 13, Notice::Change(Change::Gone(ObjectKey::Instance(InstanceId::new()))));
        assert_eq!(ring.news(a, AgentKind::Net, 10).notices.len(), 2, "the port is sent once");
        assert_eq!(ring.news(a, AgentKind::Net, 12).notices.len(), 1);
        assert_eq!(ring.news(a, AgentKind::Net, 14).notices.len(), 0);
        assert_eq!(ring.news(a, AgentKind::Compute, 10).notices.len(), 1);
        assert_eq!(ring.news(b, AgentKind::Net, 10).notices.len(), 0);
        ring.set_needs(a, HashSet::new());
        assert!(ring.hosts_of(Scope::Need(need)).is_empty());
        assert_eq!(ring.news(a, AgentKind::Net, 10).notices.len(), 1);
    }

    #[test]
    fn what_changes_after_a_need_began_stays_behind_it() {
        let (host, n, port) = (HostId::new(), NetworkId::new(), PortId::new());
        let need = Need::Network(n);
        let mut ring = Ring::new(1);
        ring.set_needs(host, HashSet::from([need]));
        let peer = || Notice::Change(Change::Gone(ObjectKey::Peer(n, port)));
        for (revision, notice) in
            [(1, peer()), (2, Notice::Begin(need)), (3, peer()), (4, Notice::Begin(need)), (5, peer())]
        {
            ring.push(Scope::Host(host), revision, notice);
        }
        let notices = ring.news(host, AgentKind::Net, 1).notices;
        let is_begin: Vec<bool> = notices.iter().map(|notice| matches!(notice, Notice::Begin(_))).collect();
        assert_eq!(is_begin, [false, false, true, false]);
    }

    #[test]
    fn the_floor_rises_with_the_bound() {
        let host = HostId::new();
        let mut ring = Ring::new(1);
        for revision in 1..=(i64::try_from(ENTRIES_MAX).unwrap() + 5) {
            ring.push(Scope::Host(host), revision, gone(PortId::new()));
        }
        assert_eq!(ring.floor(), 6);
        assert_eq!(ring.news(host, AgentKind::Net, 6).notices.len(), ENTRIES_MAX);
    }
}
