//! What must hold of security groups: each host knows what its ports need, and nothing else.

use super::HostTraces;
use crate::conn::Conn;
use crate::desired;
use crate::error::Result;
use iroko_agent_wire::Need;
use std::collections::HashSet;
use uuid::Uuid;

/// What a host's net-agent holds of security groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupTraces {
    /// Groups with their rules, each with its generation.
    pub groups: HashSet<(Uuid, u64)>,
    /// Members: group and port.
    pub members: HashSet<(Uuid, Uuid)>,
    /// Address sets, each with its generation.
    pub address_sets: HashSet<(Uuid, u64)>,
}

/// Groups of its ports, members and address sets that their rules refer to: all of them, as they are, and
/// no others.
pub(super) async fn hosts_know_what_they_need(
    conn: &mut Conn,
    hosts: &[HostTraces],
    found: &mut Vec<String>,
) -> Result<()> {
    for host in hosts {
        let Some(known) = &host.groups else { continue };
        let wanted = wanted(conn, host).await?;
        compare("security groups", host, &wanted.groups, &known.groups, found);
        compare("members", host, &wanted.members, &known.members, found);
        compare("address sets", host, &wanted.address_sets, &known.address_sets, found);
    }
    Ok(())
}

async fn wanted(conn: &mut Conn, host: &HostTraces) -> Result<GroupTraces> {
    let needs = desired::needs(conn, &[host.host_id.as_uuid()], &[], i64::MAX).await?;
    let (mut groups, mut members, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    for of_host in needs {
        match of_host.need {
            Need::SecurityGroup(id) => groups.push(id.as_uuid()),
            Need::Members(group, network) => members.push((group, network)),
            Need::AddressSet(id) => sets.push(id.as_uuid()),
            Need::Network(_) | Need::Unknown => {}
        }
    }
    let groups = desired::security_group_specs(conn, &groups).await?;
    let members = desired::member_specs(conn, &members).await?;
    let sets = desired::address_set_specs(conn, &sets).await?;
    Ok(GroupTraces {
        groups: groups.iter().map(|spec| (spec.id.as_uuid(), spec.generation)).collect(),
        members: members.iter().map(|spec| (spec.group_id.as_uuid(), spec.port_id.as_uuid())).collect(),
        address_sets: sets.iter().map(|spec| (spec.id.as_uuid(), spec.generation)).collect(),
    })
}

fn compare<T: std::fmt::Debug + Eq + std::hash::Hash>(
    what: &str,
    host: &HostTraces,
    wanted: &HashSet<T>,
    known: &HashSet<T>,
    found: &mut Vec<String>,
) {
    let lacking: Vec<&T> = wanted.difference(known).collect();
    if !lacking.is_empty() {
        found.push(format!("{} lacks the {what} {lacking:?}", host.host_id));
    }
    let extra: Vec<&T> = known.difference(wanted).collect();
    if !extra.is_empty() {
        found.push(format!("{} keeps the {what} {extra:?} that none of its ports needs", host.host_id));
    }
}
