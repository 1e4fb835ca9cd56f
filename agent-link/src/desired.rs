//! The agent's copy of what is desired of its host.
//!
//! One writer (the watch, or the file of the last run) applies replies; any number of
//! subscriptions learn *which* objects changed and read them when they get to it. A subscription
//! gathers keys while its owner is busy, so a slow reader sees one merged set and never a queue.

use iroko_agent_wire::{
    AddressSetSpec, Change, DesiredReply, InstanceSpec, MemberSpec, NetworkSpec, Object, ObjectKey, PeerSpec, PortSpec,
    SecurityGroupSpec,
};
use iroko_model::{AddressSetId, InstanceId, NetworkId, PortId, SecurityGroupId};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use tokio::sync::Notify;

/// Machines that are remembered to be gone. One that is forgotten before it is removed is told as an orphan, and its
/// removal is ordered again.
const GONE_MAX: usize = 10_000;

/// Everything desired of this host, of one agent's kinds.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// Revision of the last reply taken; empty at first.
    pub revision: String,
    /// True once anything is known: from the control plane or from the last run's file. Until
    /// then an agent must leave everything on the host as it is.
    pub known: bool,
    /// Machines.
    pub instances: HashMap<InstanceId, Arc<InstanceSpec>>,
    /// Networks.
    pub networks: HashMap<NetworkId, Arc<NetworkSpec>>,
    /// Ports on this host.
    pub ports: HashMap<PortId, Arc<PortSpec>>,
    /// Ports elsewhere, by network. Only of networks that are desired here.
    pub peers: HashMap<NetworkId, HashMap<PortId, Arc<PeerSpec>>>,
    /// Groups of ports on this host. A port may name a group that is not told yet: one that allows
    /// nothing.
    pub security_groups: HashMap<SecurityGroupId, Arc<SecurityGroupSpec>>,
    /// Members of groups that rules refer to, by group, on networks where a port here has such a rule.
    pub members: HashMap<SecurityGroupId, HashMap<PortId, Arc<MemberSpec>>>,
    /// Address sets that rules refer to.
    pub address_sets: HashMap<AddressSetId, Arc<AddressSetSpec>>,
    /// Machines that were desired before a full answer that did not name them. They are kept as they are.
    pub orphans: HashMap<InstanceId, Arc<InstanceSpec>>,
    /// Ports, among `ports`, of which the same is true. What they need is kept too.
    pub orphan_ports: HashSet<PortId>,
    /// Machines that were told to be gone: only of these may an agent remove what it finds.
    pub gone: HashSet<InstanceId>,
}

/// Which objects changed since the last look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Everything may have changed: look at all.
    pub all: bool,
    /// These changed; empty where `all` is set.
    pub keys: HashSet<ObjectKey>,
}

impl Dirty {
    /// True where there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        !self.all && self.keys.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        if other.all {
            self.all = true;
            self.keys.clear();
        } else if !self.all {
            self.keys.extend(&other.keys);
        }
    }
}

impl Desired {
    /// Takes a reply, drops what nothing needs any more, and says what changed. Unchanged objects of a full reply are not dirty
    /// one by one; a full reply is `all`.
    pub fn apply(&mut self, reply: &DesiredReply) -> Dirty {
        let mut dirty = Dirty { all: reply.full, keys: HashSet::new() };
        let before = if reply.full { std::mem::take(self) } else { Self::default() };
        for change in &reply.changes {
            if !reply.full {
                self.note(change.key(), &mut dirty.keys);
            }
            self.apply_one(change);
        }
        if reply.full {
            self.keep_unnamed(before, &reply.kept);
        }
        let unneeded = self.drop_unneeded();
        if !reply.full {
            dirty.keys.extend(unneeded);
        }
        self.revision.clone_from(&reply.revision);
        self.known = true;
        dirty
    }

    /// Keeps what was held before a full answer and is not named by it: an answer that leaves something out is no
    /// order to destroy it.
    fn keep_unnamed(&mut self, before: Self, kept: &[Object]) {
        for object in kept {
            match object {
                Object::Instance(spec) => drop(self.orphans.insert(spec.id, spec.clone())),
                Object::Port(spec) => drop(self.orphan_ports.insert(spec.id)),
                _ => {}
            }
        }
        let instances = before.instances.into_iter().chain(before.orphans);
        self.orphans.extend(instances.filter(|(id, _)| !self.instances.contains_key(id) && !self.gone.contains(id)));
        self.orphans.retain(|id, _| !self.instances.contains_key(id));
        for (id, port) in before.ports {
            if !self.ports.contains_key(&id) {
                self.orphan_ports.insert(id);
                self.keep_network(port.network_id, &before.networks, &before.peers);
                self.ports.insert(id, port);
            }
        }
        self.orphan_ports.retain(|id| self.ports.contains_key(id));
        // What no port needs of these goes again.
        for (id, group) in before.security_groups {
            self.security_groups.entry(id).or_insert(group);
        }
        for (group, members) in before.members {
            self.members.entry(group).or_insert(members);
        }
        for (id, set) in before.address_sets {
            self.address_sets.entry(id).or_insert(set);
        }
    }

    fn keep_network(
        &mut self,
        id: NetworkId,
        networks: &HashMap<NetworkId, Arc<NetworkSpec>>,
        peers: &HashMap<NetworkId, HashMap<PortId, Arc<PeerSpec>>>,
    ) {
        if self.networks.contains_key(&id) {
            return;
        }
        if let Some(network) = networks.get(&id) {
            self.networks.insert(id, network.clone());
            self.peers.extend(peers.get(&id).map(|peers| (id, peers.clone())));
        }
    }

    /// Notes the objects that a change names; of several at once those that are held.
    fn note(&self, key: ObjectKey, dirty: &mut HashSet<ObjectKey>) {
        let ObjectKey::Members(group, network) = key else {
            dirty.insert(key);
            return;
        };
        let members = self.members.get(&group).into_iter().flatten();
        let here = members.filter(|(_, member)| member.network_id == network);
        dirty.extend(here.map(|(port, _)| ObjectKey::Member(group, *port)));
    }

    fn forget_members(&mut self, group: SecurityGroupId, network: NetworkId) {
        if let Some(members) = self.members.get_mut(&group) {
            members.retain(|_, member| member.network_id != network);
            if members.is_empty() {
                self.members.remove(&group);
            }
        }
    }

    /// False where a port is wanted on a network that is not: something was not told. What is right
    /// for such a port cannot be known; everything must be asked for again.
    pub fn is_whole(&self) -> bool {
        self.ports.values().all(|port| self.networks.contains_key(&port.network_id))
    }

    fn apply_one(&mut self, change: &Change) {
        match change {
            Change::Set(Object::Instance(spec)) => {
                self.gone.remove(&spec.id);
                self.orphans.remove(&spec.id);
                self.instances.insert(spec.id, spec.clone());
            }
            Change::Set(Object::Network(spec)) => drop(self.networks.insert(spec.id, spec.clone())),
            Change::Set(Object::Port(spec)) => {
                self.orphan_ports.remove(&spec.id);
                self.ports.insert(spec.id, spec.clone());
            }
            Change::Set(Object::Peer(spec)) => {
                self.peers.entry(spec.network_id).or_default().insert(spec.port_id, spec.clone());
            }
            Change::Gone(ObjectKey::Instance(id)) => {
                self.instances.remove(id);
                self.orphans.remove(id);
                if self.gone.len() >= GONE_MAX {
                    self.gone.clear();
                }
                self.gone.insert(*id);
            }
            Change::Gone(ObjectKey::Network(id)) => self.forget_network(*id),
            Change::Gone(ObjectKey::Port(id)) => {
                self.orphan_ports.remove(id);
                self.ports.remove(id);
            }
            Change::Gone(ObjectKey::Peer(network, id)) => remove_inner(&mut self.peers, network, id),
            Change::Set(Object::SecurityGroup(spec)) => drop(self.security_groups.insert(spec.id, spec.clone())),
            Change::Set(Object::Member(spec)) => {
                self.members.entry(spec.group_id).or_default().insert(spec.port_id, spec.clone());
            }
            Change::Set(Object::AddressSet(spec)) => drop(self.address_sets.insert(spec.id, spec.clone())),
            Change::Gone(ObjectKey::SecurityGroup(id)) => drop(self.security_groups.remove(id)),
            Change::Gone(ObjectKey::Member(group, id)) => remove_inner(&mut self.members, group, id),
            Change::Gone(ObjectKey::Members(group, network)) => self.forget_members(*group, *network),
            Change::Gone(ObjectKey::AddressSet(id)) => drop(self.address_sets.remove(id)),
            Change::Set(Object::Unknown) | Change::Gone(ObjectKey::Unknown) => {}
        }
    }

    /// The network goes with its ports and peers, but for ports that are orphans: nobody said that these are gone.
    fn forget_network(&mut self, id: NetworkId) {
        let orphans = &self.orphan_ports;
        self.ports.retain(|port_id, port| port.network_id != id || orphans.contains(port_id));
        if self.ports.values().all(|port| port.network_id != id) {
            self.networks.remove(&id);
            self.peers.remove(&id);
        }
    }

    /// The same set as one full reply, for a file. What was told to be gone is not in it: what of that is still there
    /// after a restart is told as an orphan, and its removal is ordered again.
    pub fn to_reply(&self) -> DesiredReply {
        let instances = self.instances.values().cloned().map(Object::Instance);
        let networks = self.networks.values().cloned().map(Object::Network);
        let ports = self.ports.values().cloned().map(Object::Port);
        let peers = self.peers.values().flat_map(|peers| peers.values().cloned().map(Object::Peer));
        let groups = self.security_groups.values().cloned().map(Object::SecurityGroup);
        let members = self.members.values().flat_map(|members| members.values().cloned().map(Object::Member));
        let sets = self.address_sets.values().cloned().map(Object::AddressSet);
        let objects = instances.chain(networks).chain(ports).chain(peers).chain(groups).chain(members).chain(sets);
        let orphans = self.orphans.values().cloned().map(Object::Instance);
        let orphan_ports = self.orphan_ports.iter().filter_map(|id| self.ports.get(id)).cloned().map(Object::Port);
        DesiredReply {
            revision: self.revision.clone(),
            full: true,
            changes: objects.map(Change::Set).collect(),
            consoles_wanted: Vec::new(),
            kept: orphans.chain(orphan_ports).collect(),
        }
    }
}

/// Takes an entry out, and the map it was in with its last entry.
fn remove_inner<K: Hash + Eq, L: Hash + Eq, V>(maps: &mut HashMap<K, HashMap<L, V>>, outer: &K, inner: &L) {
    if let Some(map) = maps.get_mut(outer) {
        map.remove(inner);
        if map.is_empty() {
            maps.remove(outer);
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    desired: RwLock<Desired>,
    subscribers: Mutex<Vec<Weak<Pending>>>,
}

#[derive(Debug, Default)]
struct Pending {
    dirty: Mutex<Dirty>,
    wake: Notify,
}

/// Cheap to clone; all clones share one copy of what is desired.
#[derive(Debug, Clone, Default)]
pub struct DesiredHandle(Arc<Shared>);

impl DesiredHandle {
    /// A handle on an empty, not yet known set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the current set. Hold the guard briefly and never over an `await`; specs are
    /// `Arc`s, so take clones of those out.
    pub fn read(&self) -> RwLockReadGuard<'_, Desired> {
        self.0.desired.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reply and wakes every subscription that it concerns.
    pub fn apply(&self, reply: &DesiredReply) {
        let dirty = self.0.desired.write().unwrap_or_else(PoisonError::into_inner).apply(reply);
        if dirty.is_empty() {
            return;
        }
        let mut subscribers = self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| {
            let Some(pending) = subscriber.upgrade() else { return false };
            pending.dirty.lock().unwrap_or_else(PoisonError::into_inner).merge(&dirty);
            pending.wake.notify_one();
            true
        });
    }

    /// A new subscription. Its first look is at everything, if anything is known.
    pub fn subscribe(&self) -> Subscription {
        let pending = Arc::new(Pending::default());
        self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pending));
        if self.read().known {
            pending.dirty.lock().unwrap_or_else(PoisonError::into_inner).all = true;
            pending.wake.notify_one();
        }
        Subscription { pending }
    }
}

/// Tells one reader what changed since it last asked.
#[derive(Debug)]
pub struct Subscription {
    pending: Arc<Pending>,
}

impl Subscription {
    /// Waits until something changed and returns all of it. Safe to drop half-way.
    pub async fn changed(&mut self) -> Dirty {
        loop {
            let wake = self.pending.wake.notified();
            let dirty = std::mem::take(&mut *self.pending.dirty.lock().unwrap_or_else(PoisonError::into_inner));
            if !dirty.is_empty() {
                return dirty;
            }
            wake.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::port::PortLimits;
    use iroko_model::{HostId, Hostname, MacAddress};

    fn peer(network_id: NetworkId) -> Change {
        Change::Set(Object::Peer(Arc::new(PeerSpec {
            port_id: PortId::new(),
            network_id,
            host_id: HostId::new(),
            vtep: "192.0.2.1".parse().unwrap(),
            mac: MacAddress::local([0; 5]),
            addresses: vec![],
            hostname: Hostname::try_from("a".to_owned()).unwrap(),
            allowed_address_pairs: vec![],
        })))
    }

    fn network_spec(id: NetworkId) -> NetworkSpec {
        let vni = iroko_model::Vni::try_from(4096).unwrap();
        NetworkSpec { id, generation: 1, vni, mtu: 1450, domain: "internal".into(), subnets: vec![] }
    }

    fn delta(revision: &str, changes: Vec<Change>) -> DesiredReply {
        DesiredReply { revision: revision.into(), full: false, changes, ..DesiredReply::default() }
    }

    #[tokio::test]
    async fn subscriptions_gather_and_full_replies_replace() {
        let handle = DesiredHandle::new();
        let mut subscription = handle.subscribe();
        let network = NetworkId::new();
        let (first, second) = (peer(network), peer(network));
        handle.apply(&delta("1", vec![first.clone()]));
        handle.apply(&delta("2", vec![second.clone()]));
        assert_eq!(subscription.changed().await.keys, HashSet::from([first.key(), second.key()]));
        assert_eq!(handle.read().peers[&network].len(), 2);

        handle.apply(&delta("3", vec![Change::Gone(first.key())]));
        handle.apply(&DesiredReply { full: true, ..delta("4", vec![second.clone()]) });
        assert_eq!(subscription.changed().await, Dirty { all: true, keys: HashSet::new() });
        assert_eq!(handle.read().peers[&network].len(), 1);

        assert!(handle.read().is_whole());
        let port = Change::Set(Object::Port(Arc::new(PortSpec {
            id: PortId::new(),
            network_id: network,
            instance_id: InstanceId::new(),
            generation: 1,
            tap: "ikt0".into(),
            mac: MacAddress::local([0; 5]),
            addresses: vec![],
            hostname: Hostname::try_from("a".to_owned()).unwrap(),
            security_group_ids: None,
            is_secured: true,
            allowed_address_pairs: vec![],
            limits: PortLimits::default(),
            connection_log: None,
        })));
        let mut halved = handle.read().clone();
        halved.apply(&delta("5", vec![port]));
        assert!(!halved.is_whole(), "a port whose network was never told");

        // What a full answer leaves out is kept as it is, also over a restart, until it is told to be gone.
        let all = Change::Set(Object::Port(Arc::new(PortSpec::clone(&halved.ports.values().next().unwrap().clone()))));
        let mut keeper = Desired::default();
        let net = Change::Set(Object::Network(Arc::new(network_spec(network))));
        keeper.apply(&DesiredReply { full: true, ..delta("6", vec![net, all.clone(), first.clone()]) });
        let port_id = *keeper.ports.keys().next().unwrap();
        keeper.apply(&DesiredReply { full: true, ..delta("7", vec![]) });
        let mut restarted = Desired::default();
        restarted.apply(&keeper.to_reply());
        for mut kept in [keeper, restarted] {
            assert!(kept.orphan_ports.contains(&port_id) && kept.networks.contains_key(&network) && kept.is_whole());
            assert_eq!(kept.peers[&network].len(), 1, "it still reaches its peers");
            kept.apply(&delta("8", vec![Change::Gone(ObjectKey::Network(network))]));
            assert!(kept.ports.contains_key(&port_id), "a network that others left is no order to unplug it");
            let mut wanted = kept.clone();
            wanted.apply(&delta("9", vec![all.clone()]));
            assert!(wanted.orphan_ports.is_empty());
            kept.apply(&delta(
                "9",
                vec![Change::Gone(ObjectKey::Port(port_id)), Change::Gone(ObjectKey::Network(network))],
            ));
            assert!(kept.ports.is_empty() && kept.orphan_ports.is_empty() && kept.networks.is_empty());
        }

        let mut copy = Desired::default();
        copy.apply(&handle.read().to_reply());
        assert_eq!((copy.revision.as_str(), copy.peers[&network].len()), ("4", 1));
        assert!(handle.subscribe().changed().await.all, "a late subscriber looks at everything");
    }
}
