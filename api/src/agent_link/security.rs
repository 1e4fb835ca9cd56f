//! Security groups for the hosts that need them.
//!
//! What a host needs follows from its ports (`desired::needs`): the groups they are in, the members of
//! groups that the rules of those refer to, and address sets. Changes of something go to all who need it.
//! Who *begins* to need it is told all of it; who ceases to is told nothing, because the agent drops what
//! its ports no longer need by itself (`agent_link::agent::Desired`).
//!
//! As with networks a batch does not say what it changed. A need is told as begun unless one reason for it
//! is steady: a port in a group, and a rule of that, of none of which the outbox holds a change since
//! before the batch. Whoever stands anywhere in the batch, or behind it, then either has it or gets it, and
//! is told twice at worst. It is told where the batch last speaks of the host.
//!
//! What a host needs is read with a batch and so may be newer than it: a host that ceases to need something
//! and begins again can miss what changed in between without ever having dropped what it held. Members are
//! therefore begun by forgetting those that were told before.

use super::hub::Loaded;
use super::ring::{Ring, Scope, What};
use iroko_agent_wire::{Change, Object, ObjectKey};
use iroko_model::{HostId, NetworkId, SecurityGroupId};
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired::{self, HostNeed, Need};
use iroko_store::{Connection, Result, Store, Tx};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Mutex;
use uuid::Uuid;

/// What hosts need, and whether they did all along.
pub type Needs = HashMap<HostId, HashMap<Need, bool>>;

/// What those hosts need now of which a batch speaks: by their ports, or by rules of groups these are in.
pub async fn needs(conn: &mut Tx, rows: &[Row], from: i64) -> Result<Needs> {
    let ports = rows.iter().filter(|row| row.kind == ChangeKind::Port);
    let hosts: HashSet<Uuid> = ports.filter_map(|row| row.host_id).collect();
    let ruled = rows.iter().filter(|row| row.kind == ChangeKind::SecurityGroup && !row.refs.is_empty());
    let groups: HashSet<Uuid> = ruled.map(|row| row.object_id).collect();
    if hosts.is_empty() && groups.is_empty() {
        return Ok(Needs::new());
    }
    let (hosts, groups): (Vec<Uuid>, Vec<Uuid>) = (hosts.into_iter().collect(), groups.into_iter().collect());
    let mut needs: Needs = hosts.iter().map(|host| (HostId::from(*host), HashMap::new())).collect();
    for HostNeed { host_id, need, steady } in desired::needs(conn, &hosts, &groups, from).await? {
        needs.entry(host_id).or_default().insert(need, steady);
    }
    Ok(needs)
}

/// Everything that any host needs, for the ring's start.
pub async fn learn(conn: &mut Connection) -> Result<HashMap<HostId, HashSet<Need>>> {
    let hosts = desired::hosts_with_ports(conn).await?;
    let mut needs: HashMap<HostId, HashSet<Need>> = HashMap::new();
    for HostNeed { host_id, need, .. } in desired::needs(conn, &hosts, &[], i64::MAX).await? {
        needs.entry(host_id).or_default().insert(need);
    }
    Ok(needs)
}

/// Brings the ring's needs up to date.
pub fn note(ring: &mut Ring, needs: &Needs) {
    for (host, needs) in needs {
        ring.set_needs(*host, needs.keys().copied().collect());
    }
}

/// Where in a batch to tell which host that it begins to need what.
pub fn begins(rows: &[Row], needs: &Needs) -> HashMap<usize, Vec<(HostId, Need)>> {
    let mut last: HashMap<HostId, usize> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        match row.kind {
            ChangeKind::Port => drop(row.host_id.map(|host| last.insert(host.into(), at))),
            ChangeKind::SecurityGroup if !row.refs.is_empty() => {
                let group = Need::Group(row.object_id.into());
                last.extend(needs.iter().filter(|(_, needs)| needs.contains_key(&group)).map(|(host, _)| (*host, at)));
            }
            _ => {}
        }
    }
    let mut begins: HashMap<usize, Vec<(HostId, Need)>> = HashMap::new();
    for (host, at) in last {
        let fresh = needs.get(&host).into_iter().flatten().filter(|(_, steady)| !**steady);
        begins.entry(at).or_default().extend(fresh.map(|(need, _)| (host, *need)));
    }
    begins
}

/// A port is, or is no longer, a member of groups: of those it was in when the change was written, and of
/// those it is in now.
pub fn member_entries(row: &Row, loaded: &Loaded) -> Vec<(Scope, What)> {
    let bound = loaded.ports.get(&row.object_id);
    let network = row.network_id.map(NetworkId::from).or_else(|| bound.map(|bound| bound.port.network_id));
    let Some(network) = network else { return Vec::new() };
    let now = bound.into_iter().flat_map(|bound| bound.groups()).copied();
    let groups: HashSet<SecurityGroupId> = row.refs.iter().map(|id| (*id).into()).chain(now).collect();
    let entry = |group: SecurityGroupId| {
        let change = match bound.and_then(|bound| bound.member(group)) {
            Some(member) => Change::Set(Object::Member(member)),
            None => Change::Gone(ObjectKey::Member(group, row.object_id.into())),
        };
        (Scope::Need(Need::Members(group, network)), What::Change(change))
    };
    groups.into_iter().map(entry).collect()
}

/// A group or an address set, for those who need it. One that was deleted is needed by nobody.
pub fn entry(need: Need, now: Option<&Change>) -> Vec<(Scope, What)> {
    now.map(|change| (Scope::Need(need), What::Change(change.clone()))).into_iter().collect()
}

/// What hosts are to be told that begin to need something: read once for all who ask at the same time.
#[derive(Debug, Default)]
pub struct Begun(Mutex<Kept>);

/// All of each need.
type Told = HashMap<Need, Arc<Vec<Change>>>;

#[derive(Debug, Default)]
struct Kept {
    watermark: i64,
    told: Told,
}

impl Begun {
    /// All of these, at least as new as the watermark.
    pub async fn told(&self, store: &Store, watermark: i64, needs: &[Need]) -> Result<Told> {
        let mut kept = self.0.lock().await;
        if kept.watermark < watermark {
            *kept = Kept { watermark, told: Told::new() };
        }
        let missing: Vec<Need> = needs.iter().filter(|need| !kept.told.contains_key(*need)).copied().collect();
        if !missing.is_empty() {
            let read = read(&mut store.begin_planned().await?, &missing).await?;
            kept.told.extend(read.into_iter().map(|(need, changes)| (need, Arc::new(anew(need, changes)))));
        }
        let told = |need: &Need| Some((*need, kept.told.get(need)?.clone()));
        Ok(needs.iter().filter_map(told).collect())
    }
}

/// All of a need, for a host that may hold what it was told of it before.
fn anew(need: Need, all: Vec<Change>) -> Vec<Change> {
    let forget = match need {
        Need::Members(group, network) => Some(Change::Gone(ObjectKey::Members(group, network))),
        // One object: told again it takes its own place.
        Need::Group(_) | Need::AddressSet(_) => None,
    };
    forget.into_iter().chain(all).collect()
}

/// These, as new as the database.
pub async fn read(conn: &mut Tx, needs: &[Need]) -> Result<HashMap<Need, Vec<Change>>> {
    let mut told: HashMap<Need, Vec<Change>> = needs.iter().map(|need| (*need, Vec::new())).collect();
    let pick = |of: fn(&Need) -> Option<Uuid>| needs.iter().filter_map(of).collect::<Vec<Uuid>>();
    let groups = pick(|need| if let Need::Group(id) = need { Some(id.as_uuid()) } else { None });
    let sets = pick(|need| if let Need::AddressSet(id) = need { Some(id.as_uuid()) } else { None });
    if !groups.is_empty() {
        for spec in desired::security_group_specs(conn, &groups).await? {
            told.entry(Need::Group(spec.id)).or_default().push(Change::Set(Object::SecurityGroup(spec)));
        }
    }
    let members = |need: &Need| if let Need::Members(group, network) = need { Some((*group, *network)) } else { None };
    let members: Vec<_> = needs.iter().filter_map(members).collect();
    if !members.is_empty() {
        for spec in desired::member_specs(conn, &members).await? {
            told.entry(Need::Members(spec.group_id, spec.network_id))
                .or_default()
                .push(Change::Set(Object::Member(spec)));
        }
    }
    if !sets.is_empty() {
        for spec in desired::address_set_specs(conn, &sets).await? {
            told.entry(Need::AddressSet(spec.id)).or_default().push(Change::Set(Object::AddressSet(spec)));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: ChangeKind, object_id: Uuid, host: Option<HostId>, refs: &[Uuid]) -> Row {
        let host_id = host.map(|host| host.as_uuid());
        Row { revision: 1, kind, object_id, host_id, network_id: None, refs: refs.to_vec() }
    }

    #[test]
    fn a_need_that_is_not_steady_is_told_where_the_batch_last_speaks_of_the_host() {
        let (a, b) = (HostId::new(), HostId::new());
        let (group, remote) = (SecurityGroupId::new(), SecurityGroupId::new());
        let (is_in, refers) = (Need::Group(group), Need::Members(remote, NetworkId::new()));
        let needs: Needs = HashMap::from([
            (a, HashMap::from([(is_in, true), (refers, false)])),
            (b, HashMap::from([(is_in, false), (refers, false)])),
        ]);
        let port = |host| row(ChangeKind::Port, Uuid::now_v7(), Some(host), &[group.as_uuid()]);
        let rule = row(ChangeKind::SecurityGroup, group.as_uuid(), None, &[remote.as_uuid()]);
        let rename = row(ChangeKind::SecurityGroup, group.as_uuid(), None, &[]);
        let mut begun = begins(&[port(b), rule, port(b), rename], &needs);
        begun.values_mut().for_each(|told| told.sort());
        let mut of_b = vec![(b, is_in), (b, refers)];
        of_b.sort();
        assert_eq!(begun, HashMap::from([(1, vec![(a, refers)]), (2, of_b)]));
    }
}
