//! Networks.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{Labels, Name, NetworkId, ProjectId};
use iroko_store::Wake;
use iroko_store::authority::Scope;
use iroko_store::network::{self, NewNetwork};
use iroko_store::request::{Noun, check_generation};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::network::{Network, NetworkCreate};

/// Octets of the VXLAN headers over IPv4 (RFC 7348): Ethernet 14, IP 20, UDP 8, VXLAN 8.
const VXLAN_OVERHEAD: i32 = 50;

/// Makes a network with a VNI of its own.
pub async fn create(app: &App, project: ProjectId, request: NetworkCreate) -> Result<Network> {
    let (name, labels): (Name, Labels) = request.try_into()?;
    let config = &app.config.network;
    let new = NewNetwork {
        project_id: project,
        name: &name,
        mtu: config.underlay_mtu - VXLAN_OVERHEAD,
        labels: &labels,
        vnis: config.vni_first..=config.vni_last,
    };
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("networks", 1)]).await?;
    let row = network::network_insert(&mut tx, &new).await?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// A page of networks.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<Network>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(network::network_list(&mut tx, project, query.page, &query.filter).await?, Show::show))
}

/// One network.
pub async fn get(app: &App, project: ProjectId, id: NetworkId) -> Result<Network> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = network::network_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a network without subnets and ports.
pub async fn delete(app: &App, project: ProjectId, id: NetworkId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::Network, id.as_uuid()).await?;
    match network::network_delete(&mut tx, project, id).await {
        Ok(true) => Ok(app.store.commit_for(tx, Wake::Nobody).await?),
        Ok(false) => Err(Problem::new(Kind::NotFound)),
        Err(iroko_store::Error::InUse(_)) => Err(Problem::with(
            Kind::Conflict,
            "the network still has subnets or ports; delete its instances, ports and subnets first",
        )),
        Err(error) => Err(error.into()),
    }
}
