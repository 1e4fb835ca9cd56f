//! The recent changes, by whom they concern. In memory, bounded, rebuilt from the outbox at start.
//!
//! An entry concerns one host, or all hosts of one network. When the bound is reached the oldest
//! entry goes and the *floor* rises: who is further behind than the floor gets everything.

use iroko_agent_wire::{AgentKind, Change, ObjectKey};
use iroko_model::{HostId, InstanceId, NetworkId};
use iroko_store::desired::Need;
use std::collections::{HashMap, HashSet, VecDeque};

/// Entries kept.
pub const ENTRIES_MAX: usize = 10_000;

/// What an entry says.
#[derive(Debug, Clone)]
pub enum What {
    /// An object changed.
    Change(Change),
    /// The host has its first port on the network: network and all its peers are to be sent.
    Join(NetworkId),
    /// The host begins to need it: all of it is to be sent.
    Begin(Need),
    /// The machine's console log is wanted.
    Console(InstanceId),
}

/// Whom an entry concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One host.
    Host(HostId),
    /// All hosts of a network.
    Network(NetworkId),
    /// All hosts that need it.
    Need(Need),
}

#[derive(Debug)]
struct Entry {
    order: u64,
    revision: i64,
    what: What,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ring {
    by_scope: HashMap<Scope, VecDeque<Entry>>,
    /// Scopes in the order of their entries, oldest first.
    order: VecDeque<Scope>,
    next: u64,
    floor: i64,
    members: HashMap<HostId, HashSet<NetworkId>>,
    hosts: HashMap<NetworkId, HashSet<HostId>>,
    needs: HashMap<HostId, HashSet<Need>>,
    needed_by: HashMap<Need, HashSet<HostId>>,
}

/// What a host has not seen yet.
#[derive(Debug, Default)]
pub struct News {
    /// Changes, joins and beginnings, in order; of an object only the last.
    pub what: Vec<What>,
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
    pub fn push(&mut self, scope: Scope, revision: i64, what: What) {
        let order = self.next;
        self.next += 1;
        self.by_scope.entry(scope).or_default().push_back(Entry { order, revision, what });
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

    /// Notes whether the host has a port on the network.
    pub fn set_member(&mut self, host: HostId, network: NetworkId, is_member: bool) {
        if is_member {
            self.members.entry(host).or_default().insert(network);
            self.hosts.entry(network).or_default().insert(host);
        } else {
            remove(&mut self.members, &host, &network);
            remove(&mut self.hosts, &network, &host);
        }
    }

    /// Notes all that a host needs of security groups.
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
            Scope::Network(network) => self.hosts.get(&network).into_iter().flatten().copied().collect(),
            Scope::Need(need) => self.needed_by.get(&need).into_iter().flatten().copied().collect(),
        }
    }

    /// What concerns one agent of a host from `revision` on.
    pub fn news(&self, host: HostId, kind: AgentKind, revision: i64) -> News {
        let mut entries: Vec<&Entry> = self.since(Scope::Host(host), revision).collect();
        if kind == AgentKind::Net {
            let networks = self.members.get(&host).into_iter().flatten();
            entries.extend(networks.flat_map(|network| self.since(Scope::Network(*network), revision)));
            let needs = self.needs.get(&host).into_iter().flatten();
            entries.extend(needs.flat_map(|need| self.since(Scope::Need(*need), revision)));
            entries.sort_unstable_by_key(|entry| entry.order);
        }
        let mut news = News::default();
        let mut last: HashMap<ObjectKey, usize> = HashMap::new();
        for entry in entries.into_iter().filter(|entry| kind_of(&entry.what) == kind) {
            match &entry.what {
                What::Console(id) => news.consoles.push(*id),
                What::Join(network) => supersede(&mut news.what, &mut last, ObjectKey::Network(*network), entry),
                // The last one counts: what stands between two of them is in it.
                What::Begin(need) => {
                    news.what.retain(|what| !matches!(what, What::Begin(earlier) if earlier == need));
                    last.clear();
                    news.what.push(entry.what.clone());
                }
                What::Change(change) => supersede(&mut news.what, &mut last, change.key(), entry),
            }
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

/// Puts an entry in the place of the last one for the same object. A network keeps all its entries:
/// leaving and joining again must be told as such, in order.
fn supersede(what: &mut Vec<What>, last: &mut HashMap<ObjectKey, usize>, key: ObjectKey, entry: &Entry) {
    let is_network = matches!(key, ObjectKey::Network(_));
    match last.get(&key).filter(|_| !is_network) {
        Some(at) if !what[*at + 1..].iter().any(|w| matches!(w, What::Join(_))) => what[*at] = entry.what.clone(),
        _ => {
            last.insert(key, what.len());
            what.push(entry.what.clone());
        }
    }
}

const fn kind_of(what: &What) -> AgentKind {
    use iroko_agent_wire::Object;
    match what {
        What::Console(_) | What::Change(Change::Set(Object::Instance(_)) | Change::Gone(ObjectKey::Instance(_))) => {
            AgentKind::Compute
        }
        What::Join(_) | What::Begin(_) | What::Change(_) => AgentKind::Net,
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
    use iroko_model::PortId;

    fn gone(port: PortId) -> What {
        What::Change(Change::Gone(ObjectKey::Port(port)))
    }

    #[test]
    fn news_are_per_host_network_and_kind() {
        let (a, b, n, port) = (HostId::new(), HostId::new(), NetworkId::new(), PortId::new());
        let mut ring = Ring::new(10);
        ring.set_member(a, n, true);
        ring.push(Scope::Network(n), 11, What::Change(Change::Gone(ObjectKey::Peer(n, port))));
        ring.push(Scope::Host(a), 12, gone(port));
        ring.push(Scope::Host(a), 13, gone(port));
        ring.push(Scope::Host(a), 13, What::Change(Change::Gone(ObjectKey::Instance(InstanceId::new()))));
        assert_eq!(ring.news(a, AgentKind::Net, 10).what.len(), 2, "the port is told once");
        assert_eq!(ring.news(a, AgentKind::Net, 12).what.len(), 1);
        assert_eq!(ring.news(a, AgentKind::Net, 14).what.len(), 0);
        assert_eq!(ring.news(a, AgentKind::Compute, 10).what.len(), 1);
        assert_eq!(ring.news(b, AgentKind::Net, 10).what.len(), 0);
        ring.set_member(a, n, false);
        assert!(ring.hosts_of(Scope::Network(n)).is_empty());
        assert_eq!(ring.news(a, AgentKind::Net, 10).what.len(), 1);
    }

    #[test]
    fn the_floor_rises_with_the_bound() {
        let host = HostId::new();
        let mut ring = Ring::new(1);
        for revision in 1..=(i64::try_from(ENTRIES_MAX).unwrap() + 5) {
            ring.push(Scope::Host(host), revision, gone(PortId::new()));
        }
        assert_eq!(ring.floor(), 6);
        assert_eq!(ring.news(host, AgentKind::Net, 6).what.len(), ENTRIES_MAX);
    }
}
