//! The graph of what hosts need: all kinds, and the one way in which a host starts to need something.
//!
//! What a host needs follows from its roots (`iroko_agent_wire::Need`). Changes of something go to all hosts that need
//! it. A host that *starts* to need it receives all of it. A host that stops needing it receives nothing: the agent
//! drops what its roots no longer lead to (`iroko_agent_link::Desired`).
//!
//! A batch of changes is read with what is true *now*, and watchers come with any revision, given by this or another
//! process that may have looked in between. So a batch does not say what a change did. A need starts with a batch unless one
//! reason for it is steady: a port on the network or in the group, and a rule of that, of none of which the outbox holds a
//! change since before the batch. A watcher anywhere in the batch, or behind it, then either has it or gets it, and gets
//! it twice at worst. It starts where the batch last speaks of what the host needs.

use crate::address_set::AddressSets;
use crate::batch::{Batch, Entry, Notice, Scope};
use crate::instance::Instances;
use crate::kind::Kind;
use crate::member::Members;
use crate::need_cache::{Documents, NeedCache};
use crate::network::Networks;
use crate::peer::Peers;
use crate::port::Ports;
use crate::security_group::SecurityGroups;
use iroko_agent_wire::{AgentKind, Need, Object};
use iroko_model::HostId;
use iroko_store::change::Change as Row;
use iroko_store::desired::{self, HostNeed};
use iroko_store::{Result, Store, Tx};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What hosts need, and whether they did all along.
pub type Needs = HashMap<HostId, HashMap<Need, bool>>;

/// All kinds, each with what it has read for hosts that start to need it.
#[derive(Debug)]
pub struct Graph(Vec<(Box<dyn Kind>, NeedCache)>);

impl Default for Graph {
    fn default() -> Self {
        // In the order in which a host hears of one change.
        let kinds: [Box<dyn Kind>; 7] = [
            Box::new(Instances),
            Box::new(Ports),
            Box::new(Peers),
            Box::new(Members),
            Box::new(Networks::default()),
            Box::new(SecurityGroups),
            Box::new(AddressSets),
        ];
        Self(kinds.into_iter().map(|kind| (kind, NeedCache::default())).collect())
    }
}

/// What a batch means: what to say to whom, and what the hosts that it speaks of need now.
#[derive(Debug, Default)]
pub struct Meaning {
    /// In the order of the batch.
    pub entries: Vec<Entry>,
    /// All needs of these hosts.
    pub needs: Needs,
}

impl Graph {
    fn kinds(&self) -> impl Iterator<Item = &dyn Kind> {
        self.0.iter().map(|(kind, _)| kind.as_ref())
    }

    /// What a batch means. `hosts_that`: the hosts that needed something before it.
    pub async fn read(
        &self,
        conn: &mut Tx,
        rows: &[Row],
        from: i64,
        hosts_that: impl Fn(Need) -> Vec<HostId>,
    ) -> Result<Meaning> {
        let batch = Batch::of(conn, rows).await?;
        let mut entries = Vec::new();
        for kind in self.kinds() {
            entries.extend(kind.entries(conn, &batch).await?);
        }
        let speaks: Vec<(usize, Scope)> = self.speaks(&batch);
        let hosts: HashSet<Uuid> = speaks
            .iter()
            .flat_map(|(_, scope)| match scope {
                Scope::Host(host) => vec![*host],
                Scope::Need(need) => hosts_that(*need),
            })
            .map(|host| host.as_uuid())
            .collect();
        let needs = self.needs(conn, &hosts.into_iter().collect::<Vec<_>>(), from).await?;
        entries.extend(begins(&speaks, &needs));
        entries.sort_by_key(|entry| entry.at);
        Ok(Meaning { entries, needs })
    }

    /// Where a batch speaks of what whom needs.
    fn speaks(&self, batch: &Batch<'_>) -> Vec<(usize, Scope)> {
        let speaks = |row: &Row| self.kinds().find_map(|kind| kind.may_change_needs(row));
        batch.rows().iter().enumerate().filter_map(|(at, row)| Some((at, speaks(row)?))).collect()
    }

    /// All that these hosts need.
    async fn needs(&self, conn: &mut Tx, hosts: &[Uuid], from: i64) -> Result<Needs> {
        let mut needs: Needs = hosts.iter().map(|host| (HostId::from(*host), HashMap::new())).collect();
        if hosts.is_empty() {
            return Ok(needs);
        }
        for kind in self.kinds() {
            for HostNeed { host_id, need, steady } in kind.needs(conn, hosts, from).await? {
                needs.entry(host_id).or_default().insert(need, steady);
            }
        }
        Ok(needs)
    }

    /// All that any host needs.
    pub async fn learn(&self, conn: &mut Tx) -> Result<Needs> {
        let hosts = desired::hosts_with_ports(conn).await?;
        self.needs(conn, &hosts, i64::MAX).await
    }

    /// What hosts receive that start to need these.
    pub async fn documents(&self, store: &Store, watermark: i64, needs: &[Need]) -> Result<Documents> {
        let mut documents = Documents::new();
        for (kind, cache) in &self.0 {
            let needs: Vec<Need> = needs.iter().filter(|need| kind.answers(**need)).copied().collect();
            if !needs.is_empty() {
                documents.extend(cache.documents(kind.as_ref(), store, watermark, &needs).await?);
            }
        }
        Ok(documents)
    }

    /// Everything of one agent of a host, at least as new as the last batch.
    pub async fn everything(&self, store: &Store, host: HostId, agent: AgentKind) -> Result<Vec<Object>> {
        let (mut conn, mut objects, mut needs) = (store.begin_planned().await?, Vec::new(), Vec::new());
        for kind in self.kinds().filter(|kind| kind.agent() == agent) {
            objects.extend(kind.roots(&mut conn, host).await?);
            needs.extend(kind.needs(&mut conn, &[host.as_uuid()], i64::MAX).await?);
        }
        drop(conn);
        for kind in self.kinds() {
            let needs: Vec<Need> =
                needs.iter().map(|of_host| of_host.need).filter(|need| kind.answers(*need)).collect();
            if !needs.is_empty() {
                objects.extend(kind.objects(store, &needs).await?.into_values().flatten());
            }
        }
        Ok(objects)
    }
}

/// Which host starts to need what, and where in a batch.
fn begins(speaks: &[(usize, Scope)], needs: &Needs) -> Vec<Entry> {
    let mut last: HashMap<HostId, usize> = HashMap::new();
    for (at, scope) in speaks {
        match scope {
            Scope::Host(host) => drop(last.insert(*host, *at)),
            Scope::Need(need) => {
                last.extend(needs.iter().filter(|(_, needs)| needs.contains_key(need)).map(|(host, _)| (*host, *at)));
            }
        }
    }
    let fresh = |(host, at): (HostId, usize)| {
        let fresh = needs.get(&host).into_iter().flatten().filter(|(_, steady)| !**steady);
        fresh.map(move |(need, _)| Entry { at, scope: Scope::Host(host), notice: Notice::Begin(*need) })
    };
    last.into_iter().flat_map(fresh).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::{NetworkId, SecurityGroupId};

    #[test]
    fn a_need_that_is_not_steady_starts_where_the_batch_last_speaks_of_the_host() {
        let (a, b) = (HostId::new(), HostId::new());
        let (group, remote) = (SecurityGroupId::new(), SecurityGroupId::new());
        let (is_in, refers) = (Need::SecurityGroup(group), Need::Members(remote, NetworkId::new()));
        let needs: Needs = HashMap::from([
            (a, HashMap::from([(is_in, true), (refers, false)])),
            (b, HashMap::from([(is_in, false), (refers, false)])),
        ]);
        let speaks = [(0, Scope::Host(b)), (1, Scope::Need(is_in)), (2, Scope::Host(b))];
        let seen = |entry: &Entry| match (entry.scope, &entry.notice) {
            (Scope::Host(host), Notice::Begin(need)) => (entry.at, host, *need),
            other => panic!("{other:?}"),
        };
        let mut begun: Vec<_> = begins(&speaks, &needs).iter().map(seen).collect();
        begun.sort();
        let mut expected = vec![(1, a, refers), (2, b, is_in), (2, b, refers)];
        expected.sort();
        assert_eq!(begun, expected);
    }

    #[test]
    fn a_change_speaks_of_the_host_of_a_port_and_of_hosts_whose_groups_refer_to_others() {
        use iroko_store::change::ChangeKind;
        let (host, group) = (HostId::new(), Uuid::now_v7());
        let row = |kind, host: Option<HostId>, refs: &[Uuid]| {
            let host_id = host.map(|host| host.as_uuid());
            Row { revision: 1, kind, object_id: group, host_id, network_id: None, refs: refs.to_vec() }
        };
        let rows = [
            row(ChangeKind::Port, Some(host), &[group]),
            row(ChangeKind::PortLimits, Some(host), &[]),
            row(ChangeKind::SecurityGroup, None, &[Uuid::now_v7()]),
            row(ChangeKind::SecurityGroup, None, &[]),
            row(ChangeKind::Instance, Some(host), &[]),
        ];
        let seen = Graph::default().speaks(&Batch::with(&rows, HashMap::new()));
        assert_eq!(seen, [(0, Scope::Host(host)), (2, Scope::Need(Need::SecurityGroup(group.into())))]);
    }
}
