//! Subnets. That two of one network do not overlap is held by an exclusion constraint.

use crate::error::Result;
use crate::page::{Filter, Page, PageQuery};
use crate::tx::Conn;
use ipnetwork::IpNetwork;
use iroko_model::subnet::SubnetPlan;
use iroko_model::{Labels, Name, NetworkId, ProjectId, SubnetId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A subnet.
#[derive(Debug, Clone)]
pub struct Subnet {
    /// The subnet.
    pub id: Uuid,
    /// Its network.
    pub network_id: Uuid,
    /// Name; need not be unique.
    pub name: String,
    /// Range.
    pub cidr: IpNetwork,
    /// Gateway address.
    pub gateway: IpNetwork,
    /// Address of the network's DHCP and DNS service.
    pub service: IpNetwork,
    /// First address given to ports.
    pub pool_first: IpNetwork,
    /// Last address given to ports.
    pub pool_last: IpNetwork,
    /// Further resolvers.
    pub dns_servers: Vec<IpNetwork>,
    /// Labels.
    pub labels: Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A subnet as its maker wants it.
#[derive(Debug)]
pub struct NewSubnet<'a> {
    /// Owner; must own the network too.
    pub project_id: ProjectId,
    /// Its network.
    pub network_id: NetworkId,
    /// Name.
    pub name: &'a Name,
    /// The checked range.
    pub plan: &'a SubnetPlan,
    /// Labels.
    pub labels: &'a Labels,
}

/// Makes a subnet and tells the hosts of its network. `None` where the project has no such network;
/// [`crate::Error::Taken`] where it overlaps another.
pub async fn subnet_insert(conn: &mut Conn, new: &NewSubnet<'_>) -> Result<Option<Subnet>> {
    let dns: Vec<IpNetwork> = new.plan.dns_servers.iter().copied().map(IpNetwork::from).collect();
    let row = sqlx::query_as!(
        Subnet,
        r#"INSERT INTO subnet (id, project_id, network_id, name, cidr, gateway, service, pool_first, pool_last, dns_servers, labels)
           SELECT $1, $2, id, $4, $5, $6, $7, $8, $9, $10, $11 FROM network WHERE id = $3 AND project_id = $2
           RETURNING id, network_id, name, cidr, gateway, service, pool_first, pool_last, dns_servers, labels, created_at"#,
        SubnetId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.network_id.as_uuid(),
        new.name.as_str(),
        new.plan.cidr as IpNetwork,
        IpNetwork::from(new.plan.gateway) as IpNetwork,
        IpNetwork::from(new.plan.service) as IpNetwork,
        IpNetwork::from(new.plan.pool_first) as IpNetwork,
        IpNetwork::from(new.plan.pool_last) as IpNetwork,
        &dns,
        serde_json::json!(new.labels)
    )
    .fetch_optional(&mut *conn)
    .await?;
    if row.is_some() {
        network_changed(conn, new.network_id).await?;
    }
    Ok(row)
}

/// Tells every host of a network to look at it again.
async fn network_changed(conn: &mut Conn, id: NetworkId) -> Result<()> {
    sqlx::query!(
        "WITH n AS (UPDATE network SET generation = generation + 1 WHERE id = $1 RETURNING id)
         INSERT INTO change (kind, object_id, network_id) SELECT 'network', id, id FROM n",
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One subnet of the project.
pub async fn subnet_get(conn: &mut Conn, project_id: ProjectId, id: SubnetId) -> Result<Option<Subnet>> {
    Ok(sqlx::query_as!(
        Subnet,
        "SELECT id, network_id, name, cidr, gateway, service, pool_first, pool_last, dns_servers, labels, created_at
         FROM subnet WHERE project_id = $1 AND id = $2",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?)
}

/// A page of the project's subnets, of one network where asked.
pub async fn subnet_list(
    conn: &mut Conn,
    project_id: ProjectId,
    network_id: Option<NetworkId>,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<Subnet>> {
    let rows = sqlx::query_as!(
        Subnet,
        "SELECT id, network_id, name, cidr, gateway, service, pool_first, pool_last, dns_servers, labels, created_at
         FROM subnet WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2)
           AND ($4::text IS NULL OR name = $4) AND ($5::jsonb IS NULL OR labels @> $5)
           AND ($6::uuid IS NULL OR network_id = $6)
         ORDER BY id LIMIT $3 + 1",
        project_id.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels,
        network_id.map(|id| id.as_uuid())
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Subnets of these networks of the project, by age: what a port's addresses are taken from. A
/// network without subnets appears with none.
pub async fn subnets_of_networks(
    conn: &mut Conn,
    project_id: ProjectId,
    networks: &[Uuid],
) -> Result<Vec<(Uuid, Vec<Subnet>)>> {
    let rows = sqlx::query!(
        r#"SELECT n.id AS "network!", s.id AS "id?", s.name AS "name?", s.cidr AS "cidr?", s.gateway AS "gateway?",
                  s.service AS "service?", s.pool_first AS "pool_first?", s.pool_last AS "pool_last?",
                  s.dns_servers AS "dns_servers?", s.created_at AS "created_at?"
           FROM network n LEFT JOIN subnet s ON s.network_id = n.id
           WHERE n.id = ANY($1) AND n.project_id = $2 ORDER BY n.id, s.id"#,
        networks,
        project_id.as_uuid()
    )
    .fetch_all(conn)
    .await?;
    let mut found: Vec<(Uuid, Vec<Subnet>)> = Vec::new();
    for row in rows {
        if found.last().map(|(id, _)| *id) != Some(row.network) {
            found.push((row.network, Vec::new()));
        }
        let (Some(id), Some(cidr), Some(gateway), Some(service), Some(pool_first), Some(pool_last), Some(created_at)) =
            (row.id, row.cidr, row.gateway, row.service, row.pool_first, row.pool_last, row.created_at)
        else {
            continue;
        };
        let subnet = Subnet {
            id,
            network_id: row.network,
            name: row.name.unwrap_or_default(),
            cidr,
            gateway,
            service,
            pool_first,
            pool_last,
            dns_servers: row.dns_servers.unwrap_or_default(),
            labels: Value::Null,
            created_at,
        };
        if let Some((_, subnets)) = found.last_mut() {
            subnets.push(subnet);
        }
    }
    Ok(found)
}

/// Deletes a subnet without ports, else [`crate::Error::InUse`]; false where there was none.
pub async fn subnet_delete(conn: &mut Conn, project_id: ProjectId, id: SubnetId) -> Result<bool> {
    let network = sqlx::query_scalar!(
        "DELETE FROM subnet WHERE project_id = $1 AND id = $2 RETURNING network_id",
        project_id.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(network) = network {
        network_changed(conn, network.into()).await?;
    }
    Ok(network.is_some())
}
