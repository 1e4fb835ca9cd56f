//! Connection logs of ports.

use crate::App;
use crate::show::Show;
use crate::show::connection_log::RecordQuery;
use iroko_model::{PortId, ProjectId};
use iroko_store::connection_log::{self as store, NewConnectionLog};
use iroko_store::port::port_lock;
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::List;
use iroko_wire::connection_log::{CheckedConnectionLog, ConnectionLog, ConnectionLogSet, ConnectionRecord};

/// Makes a port's log, or changes the one it has.
pub async fn set(app: &App, project: ProjectId, id: PortId, request: ConnectionLogSet) -> Result<ConnectionLog> {
    let CheckedConnectionLog { verdicts, records_per_second, duration_s } = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    if !port_lock(&mut tx, project, id).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    let new = NewConnectionLog { verdicts: &verdicts, records_per_second, duration_s };
    store::connection_log_set(&mut tx, project, id, &new).await?;
    let row = store::connection_log_get(&mut tx, project, id).await?;
    app.store.commit(tx).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// A port's log.
pub async fn get(app: &App, project: ProjectId, id: PortId) -> Result<ConnectionLog> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = store::connection_log_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Deletes a port's log and its records.
pub async fn delete(app: &App, project: ProjectId, id: PortId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    if !port_lock(&mut tx, project, id).await? || !store::connection_log_delete(&mut tx, project, id).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit(tx).await?)
}

/// A page of a log's records.
pub async fn records(app: &App, project: ProjectId, id: PortId, query: RecordQuery) -> Result<List<ConnectionRecord>> {
    let mut tx = app.store.begin_bound(project).await?;
    store::connection_log_get(&mut tx, project, id).await?.ok_or(Problem::new(Plain::NotFound))?;
    let page = store::connection_record_list(&mut tx, project, id, query.page, query.verdict).await?;
    Ok(iroko_web::list(page, Show::show))
}
