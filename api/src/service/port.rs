//! Ports that stand alone.

use crate::App;
use crate::problem::{Kind, Problem, Result};
use crate::wire::List;
use crate::wire::port::{Port, PortCreate};
use iroko_model::{Labels, Name, NetworkId, PortId, ProjectId};
use iroko_store::PageQuery;
use iroko_store::port::{self, NewPort, PortDeletion, PortFilter};
use iroko_store::subnet::subnets_of_networks;

/// Makes a port with addresses of its network.
pub async fn create(app: &App, project: ProjectId, request: PortCreate) -> Result<Port> {
    let (network_id, name, labels): (NetworkId, Name, Labels) = request.try_into()?;
    let mut tx = app.store.begin().await?;
    let networks = subnets_of_networks(&mut tx, project, &[network_id.as_uuid()]).await?;
    let (_, subnets) = networks.first().ok_or_else(|| Problem::missing("/network_id", "network"))?;
    let id = PortId::new();
    let new = NewPort { id, project_id: project, network_id, name: name.as_str(), labels: &labels };
    port::port_insert(&mut tx, &new, subnets).await?;
    let row = port::port_get(&mut tx, project, id).await?;
    app.store.commit(tx).await?;
    row.map(Port::from).ok_or(Problem::new(Kind::NotFound))
}

/// A page of ports.
pub async fn list(app: &App, project: ProjectId, page: PageQuery, filter: &PortFilter) -> Result<List<Port>> {
    let mut conn = app.store.connection().await?;
    Ok(List::of(port::port_list(&mut conn, project, page, filter).await?, Port::from))
}

/// One port.
pub async fn get(app: &App, project: ProjectId, id: PortId) -> Result<Port> {
    let mut conn = app.store.connection().await?;
    let row = port::port_get(&mut conn, project, id).await?;
    row.map(Port::from).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a port that no instance uses.
pub async fn delete(app: &App, project: ProjectId, id: PortId) -> Result<()> {
    let mut conn = app.store.connection().await?;
    match port::port_delete(&mut conn, project, id).await? {
        PortDeletion::Deleted => Ok(()),
        PortDeletion::NotFound => Err(Problem::new(Kind::NotFound)),
        PortDeletion::InUse => {
            Err(Problem::with(Kind::Conflict, "an instance uses the port; delete the instance first"))
        }
    }
}
