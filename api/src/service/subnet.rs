//! Subnets.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{NetworkId, ProjectId, SubnetId};
use iroko_store::authority::Scope;
use iroko_store::subnet::{self, NewSubnet};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::subnet::{CheckedSubnet, Subnet, SubnetCreate};

/// Makes a subnet; the hosts of its network learn of it.
pub async fn create(app: &App, project: ProjectId, request: SubnetCreate) -> Result<Subnet> {
    let CheckedSubnet { network_id, name, plan, labels } = request.try_into()?;
    let new = NewSubnet { project_id: project, network_id, name: &name, plan: &plan, labels: &labels };
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("subnets", 1)]).await?;
    let row = subnet::subnet_insert(&mut tx, &new).await.map_err(|error| match error {
        iroko_store::Error::Taken(_) => Problem::with(
            Kind::Conflict,
            format!("{} overlaps another subnet of the network; choose another range", plan.cidr),
        ),
        error => error.into(),
    })?;
    let row = row.ok_or_else(|| Problem::missing("/network_id", "network"))?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// A page of subnets.
pub async fn list(app: &App, project: ProjectId, network: Option<NetworkId>, query: ListQuery) -> Result<List<Subnet>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(subnet::subnet_list(&mut tx, project, network, query.page, &query.filter).await?, Show::show))
}

/// One subnet.
pub async fn get(app: &App, project: ProjectId, id: SubnetId) -> Result<Subnet> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = subnet::subnet_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a subnet without ports; the hosts of its network learn of it.
pub async fn delete(app: &App, project: ProjectId, id: SubnetId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    let done = subnet::subnet_delete(&mut tx, project, id).await.map_err(|error| match error {
        iroko_store::Error::InUse(_) => Problem::with(
            Kind::Conflict,
            "ports still have addresses of the subnet; delete their instances or ports first",
        ),
        error => error.into(),
    })?;
    if !done {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit(tx).await?)
}
