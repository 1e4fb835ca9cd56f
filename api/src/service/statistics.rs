//! Statistics of ports and of rules.

use crate::App;
use crate::problem::{Kind, Problem, Result};
use crate::wire::statistics::{PortStatistics, SecurityGroupStatistics};
use iroko_model::{PortId, ProjectId, SecurityGroupId};
use iroko_store::statistics;

/// What a port has carried.
pub async fn of_port(app: &App, project: ProjectId, id: PortId) -> Result<PortStatistics> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = statistics::port_statistics(&mut tx, project, id).await?.ok_or(Problem::new(Kind::NotFound))?;
    Ok(PortStatistics::of(id.as_uuid(), &row))
}

/// What the rules of a group have let through.
pub async fn of_security_group(app: &App, project: ProjectId, id: SecurityGroupId) -> Result<SecurityGroupStatistics> {
    let mut tx = app.store.begin_bound(project).await?;
    let rows = statistics::security_group_statistics(&mut tx, project, id).await?;
    Ok(SecurityGroupStatistics::of(id.as_uuid(), rows.ok_or(Problem::new(Kind::NotFound))?))
}
