//! What hosts must know of security groups: which host needs what, and the objects themselves.

use super::BoundPort;
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::number::unsigned;
use crate::security_group_rule::columns;
use ipnetwork::IpNetwork;
use iroko_agent_wire::{AddressSetSpec, MemberSpec, Need, RuleSpec, SecurityGroupSpec};
use iroko_model::{HostId, MacAddress, NetworkId, SecurityGroupId};
use mac_address::MacAddress as SqlMac;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// That a host needs something.
#[derive(Debug, Clone, Copy)]
pub struct HostNeed {
    /// The host.
    pub host_id: HostId,
    /// What it needs.
    pub need: Need,
    /// It needed it all along: for one reason at least the outbox holds no change from the asked revision on,
    /// not even one too new for the reader.
    pub steady: bool,
}

/// What these hosts, and those with a port in one of these groups, need of security groups.
pub async fn needs(conn: &mut Conn, hosts: &[Uuid], groups: &[Uuid], from: i64) -> Result<Vec<HostNeed>> {
    let rows = sqlx::query!(
        r#"WITH touched AS (
               SELECT unnest($1::uuid[]) AS host
               UNION SELECT b.host_id FROM port_security_group m JOIN port_host b ON b.port_id = m.port_id
               WHERE m.security_group_id = ANY ($2)
           ), grp AS (
               SELECT t.host, b.network_id AS network, m.security_group_id AS id,
                      bool_or(b.port_id NOT IN (SELECT c.object_id FROM change c WHERE c.kind = 'port' AND c.revision >= $3)) AS steady
               -- From the hosts to their ports to the groups of these: by itself PostgreSQL reads all ports there are, and
               -- looks for the hosts among them.
               FROM touched t CROSS JOIN LATERAL (SELECT port_id, network_id FROM port_host WHERE host_id = t.host OFFSET 0) b
               CROSS JOIN LATERAL (SELECT security_group_id FROM port_security_group WHERE port_id = b.port_id OFFSET 0) m
               GROUP BY t.host, b.network_id, m.security_group_id
           ), ruled AS (
               SELECT c.object_id AS id, unnest(c.refs) AS ref FROM change c WHERE c.kind = 'security_group' AND c.revision >= $3
           ), need AS (
               SELECT host, 'group' AS kind, id, NULL::uuid AS network, steady FROM grp
               UNION ALL
               SELECT g.host, CASE WHEN r.remote_group_id IS NULL THEN 'address_set' ELSE 'members' END,
                      coalesce(r.remote_group_id, r.remote_address_set_id),
                      CASE WHEN r.remote_group_id IS NOT NULL THEN g.network END,
                      g.steady AND NOT EXISTS (SELECT FROM ruled WHERE ruled.id = g.id
                                               AND ruled.ref = coalesce(r.remote_group_id, r.remote_address_set_id))
               FROM grp g CROSS JOIN LATERAL (
                   SELECT remote_group_id, remote_address_set_id FROM security_group_rule
                   WHERE security_group_id = g.id AND num_nonnulls(remote_group_id, remote_address_set_id) > 0 OFFSET 0) r
           )
           SELECT host AS "host!", kind AS "kind!", id AS "id!", network, bool_or(steady) AS "steady!"
           FROM need GROUP BY host, kind, id, network"#,
        hosts,
        groups,
        from
    )
    .fetch_all(conn)
    .await?;
    let need = |kind: &str, id: Uuid, network: Option<Uuid>| match (kind, network) {
        ("members", Some(network)) => Need::Members(id.into(), network.into()),
        ("group", _) => Need::SecurityGroup(id.into()),
        _ => Need::AddressSet(id.into()),
    };
    Ok(rows
        .into_iter()
        .map(|row| HostNeed {
            host_id: row.host.into(),
            need: need(&row.kind, row.id, row.network),
            steady: row.steady,
        })
        .collect())
}

/// Groups with their rules.
pub async fn security_group_specs(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Arc<SecurityGroupSpec>>> {
    let groups = sqlx::query!("SELECT id, generation, stateful FROM security_group WHERE id = ANY ($1)", ids)
        .fetch_all(&mut *conn)
        .await?;
    let rows = sqlx::query!(
        "SELECT id, security_group_id, direction, ethertype, protocol, port_first, port_last, icmp_type, icmp_code,
                remote_cidr, remote_group_id, remote_address_set_id
         FROM security_group_rule WHERE security_group_id = ANY ($1) ORDER BY id",
        ids
    )
    .fetch_all(conn)
    .await?;
    let mut rules: HashMap<Uuid, Vec<RuleSpec>> = HashMap::new();
    for row in rows {
        let spec = RuleSpec { id: row.id.into(), rule: columns!(row).try_into()? };
        rules.entry(row.security_group_id).or_default().push(spec);
    }
    let spec = |id: Uuid, generation: i64, is_stateful: bool| {
        let rules = rules.remove(&id).unwrap_or_default();
        Ok::<_, Error>(SecurityGroupSpec {
            id: id.into(),
            generation: unsigned("generation", generation)?,
            is_stateful,
            rules,
        })
    };
    let mut spec = spec;
    groups.into_iter().map(|row| Ok(Arc::new(spec(row.id, row.generation, row.stateful)?))).collect()
}

/// The members of groups, each on a network: ports that are bound to a host.
pub async fn member_specs(conn: &mut Conn, of: &[(SecurityGroupId, NetworkId)]) -> Result<Vec<Arc<MemberSpec>>> {
    let (groups, networks): (Vec<Uuid>, Vec<Uuid>) =
        of.iter().map(|(group, network)| (group.as_uuid(), network.as_uuid())).unzip();
    let rows = sqlx::query!(
        r#"SELECT m.security_group_id, p.id, p.network_id, p.mac,
                  ARRAY(SELECT a.address FROM ip_allocation a WHERE a.port_id = p.id ORDER BY family(a.address)) AS "addresses!"
           FROM unnest($1::uuid[], $2::uuid[]) AS wanted (security_group_id, network_id)
           JOIN port_security_group m ON m.security_group_id = wanted.security_group_id
           JOIN port p ON p.id = m.port_id AND p.network_id = wanted.network_id
           JOIN port_host b ON b.port_id = p.id AND b.role = 'home'"#,
        &groups,
        &networks
    )
    .fetch_all(conn)
    .await?;
    let spec = |group: Uuid, port: Uuid, network: Uuid, mac: SqlMac, addresses: &[IpNetwork]| MemberSpec {
        group_id: group.into(),
        port_id: port.into(),
        network_id: network.into(),
        mac: MacAddress::from_octets(mac.bytes()),
        addresses: addresses.iter().map(IpNetwork::ip).collect(),
    };
    Ok(rows
        .into_iter()
        .map(|row| Arc::new(spec(row.security_group_id, row.id, row.network_id, row.mac, &row.addresses)))
        .collect())
}

/// Address sets.
pub async fn address_set_specs(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Arc<AddressSetSpec>>> {
    let rows =
        sqlx::query!("SELECT id, generation, cidrs FROM address_set WHERE id = ANY ($1)", ids).fetch_all(conn).await?;
    rows.into_iter()
        .map(|row| {
            let generation = unsigned("generation", row.generation)?;
            Ok(Arc::new(AddressSetSpec { id: row.id.into(), generation, cidrs: row.cidrs }))
        })
        .collect()
}

impl BoundPort {
    /// The groups it is in.
    pub fn groups(&self) -> &[SecurityGroupId] {
        self.port.security_group_ids.as_deref().unwrap_or_default()
    }

    /// It as a member of a group; none where it is not in it.
    pub fn member(&self, group: SecurityGroupId) -> Option<Arc<MemberSpec>> {
        let port = &self.port;
        let spec = || MemberSpec {
            group_id: group,
            port_id: port.id,
            network_id: port.network_id,
            mac: port.mac,
            addresses: port.addresses.clone(),
        };
        self.groups().contains(&group).then(|| Arc::new(spec()))
    }
}
