//! Statistics of ports and of rules.

use crate::App;
use iroko_model::{PortId, ProjectId, SecurityGroupId};
use iroko_store::statistics;
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::statistics::{PortStatistics, SecurityGroupStatistics};

/// What a port has carried.
pub async fn of_port(app: &App, project: ProjectId, id: PortId) -> Result<PortStatistics> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = statistics::port_statistics(&mut tx, project, id).await?.ok_or(Problem::new(Plain::NotFound))?;
    Ok(crate::show::statistics::of_port(id.as_uuid(), &row))
}

/// What the rules of a group have let through.
pub async fn of_security_group(app: &App, project: ProjectId, id: SecurityGroupId) -> Result<SecurityGroupStatistics> {
    let mut tx = app.store.begin_bound(project).await?;
    let rows = statistics::security_group_statistics(&mut tx, project, id).await?;
    Ok(crate::show::statistics::of_group(id.as_uuid(), rows.ok_or(Problem::new(Plain::NotFound))?))
}
