//! Subnets. That two of one network do not overlap is held by an exclusion constraint.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, By, Columns, Common, Noun, Of, Within};
use ipnetwork::IpNetwork;
use iroko_model::subnet::{AddressPool, SubnetPlan};
use iroko_model::{Naming, NetworkId, ProjectId, SubnetId};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

/// A subnet.
#[derive(Debug, Clone, FromRow)]
pub struct Subnet {
    /// What every noun has; the name need not be unique.
    #[sqlx(flatten)]
    pub common: Common<SubnetId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
    /// Its network.
    #[sqlx(try_from = "Uuid")]
    pub network_id: NetworkId,
    /// Range.
    pub cidr: IpNetwork,
    /// Gateway address.
    pub gateway: Option<IpNetwork>,
    /// Address of the network's DHCP and DNS service.
    pub service: IpNetwork,
    /// Addresses given to ports that name none.
    pub pools: Json<Vec<AddressPool>>,
    /// Further resolvers.
    pub dns_servers: Vec<IpNetwork>,
}

impl Noun for Subnet {
    type Id = SubnetId;
    const TABLE: &'static str = "subnet";
    const COLUMNS: &'static str =
        "n.project_id, n.network_id, n.cidr::inet AS cidr, n.gateway, n.service, n.pools, n.dns_servers";
    const FILTERS: &'static [By] =
        &[By { name: "network_id", of: Of::Id, condition: "n.network_id = $", about: "Only subnets of this network." }];

    fn common(&self) -> &Common<SubnetId> {
        &self.common
    }
}

/// Makes a subnet and tells the hosts of its network. `None` where the project has no such network;
/// [`crate::Error::Taken`] where it overlaps another.
pub async fn subnet_insert(
    conn: &mut Conn,
    project: ProjectId,
    network: NetworkId,
    naming: &Naming,
    plan: &SubnetPlan,
) -> Result<Option<Subnet>> {
    // Kept until the transaction ends, so that the network does not go in between.
    let known = sqlx::query_scalar!(
        "SELECT id FROM network WHERE id = $1 AND project_id = $2 FOR KEY SHARE",
        network.as_uuid(),
        project.as_uuid()
    );
    if known.fetch_optional(&mut *conn).await?.is_none() {
        return Ok(None);
    }
    let row = Columns::default()
        .naming(naming)?
        .set("project_id", project.as_uuid())?
        .set("network_id", network.as_uuid())?
        .set("cidr", plan.cidr)?
        .set("gateway", plan.gateway.map(IpNetwork::from))?
        .set("service", IpNetwork::from(plan.service))?
        .set("pools", Json(plan.pools.clone()))?
        .set("dns_servers", servers(plan))?;
    let made = noun::insert(&mut *conn, SubnetId::new(), row).await?;
    network_changed(conn, network).await?;
    Ok(Some(made))
}

fn servers(plan: &SubnetPlan) -> Vec<IpNetwork> {
    plan.dns_servers.iter().copied().map(IpNetwork::from).collect()
}

/// Changes a subnet that the caller has locked, and tells the hosts of its network where their guests must know.
pub async fn subnet_update(conn: &mut Conn, was: &Subnet, naming: &Naming, plan: &SubnetPlan) -> Result<Subnet> {
    let servers = servers(plan);
    let is_new = servers != was.dns_servers;
    let row = Columns::default().naming(naming)?.set("dns_servers", servers)?.set("pools", Json(plan.pools.clone()))?;
    let now = noun::update(&mut *conn, was.common.id, row).await?;
    if is_new {
        network_changed(conn, was.network_id).await?;
    }
    Ok(now)
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

/// Deletes a subnet without ports, else [`crate::Error::InUse`], and tells the hosts of its network; false where there was
/// none.
pub async fn subnet_delete(conn: &mut Conn, within: &Within, id: SubnetId) -> Result<bool> {
    let Some(was) = noun::lock::<Subnet>(&mut *conn, within, id).await? else { return Ok(false) };
    let done = noun::delete::<Subnet>(&mut *conn, within, id).await?;
    network_changed(conn, was.network_id).await?;
    Ok(done)
}

/// What the addresses of ports are taken from.
#[derive(Debug, Clone)]
pub struct Pool {
    /// The subnet.
    pub id: Uuid,
    /// Its range.
    pub cidr: IpNetwork,
    /// Its gateway, which no port gets.
    pub gateway: Option<IpNetwork>,
    /// Its service, which no port gets.
    pub service: IpNetwork,
    /// Addresses given to ports that name none.
    pub pools: Vec<AddressPool>,
}

impl Pool {
    /// Addresses that no port gets.
    pub(crate) fn kept(&self) -> Vec<IpNetwork> {
        self.gateway.into_iter().chain([self.service]).collect()
    }
}

/// The pools of these networks of the project, oldest subnet first. A network without subnets appears with none.
pub async fn pools_of_networks(
    conn: &mut Conn,
    project_id: ProjectId,
    networks: &[Uuid],
) -> Result<Vec<(Uuid, Vec<Pool>)>> {
    let rows = sqlx::query!(
        r#"SELECT n.id AS "network!", s.id AS "id?", s.cidr AS "cidr?", s.gateway, s.service AS "service?", s.pools AS "pools?: Json<Vec<AddressPool>>"
           FROM network n LEFT JOIN subnet s ON s.network_id = n.id
           WHERE n.id = ANY($1) AND n.project_id = $2 ORDER BY n.id, s.id"#,
        networks,
        project_id.as_uuid()
    )
    .fetch_all(conn)
    .await?;
    let mut found: Vec<(Uuid, Vec<Pool>)> = Vec::new();
    for row in rows {
        if found.last().map(|(id, _)| *id) != Some(row.network) {
            found.push((row.network, Vec::new()));
        }
        let (Some(id), Some(cidr), Some(service), Some(pools)) = (row.id, row.cidr, row.service, row.pools) else {
            continue;
        };
        if let Some((_, found)) = found.last_mut() {
            found.push(Pool { id, cidr, gateway: row.gateway, service, pools: pools.0 });
        }
    }
    Ok(found)
}
