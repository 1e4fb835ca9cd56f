//! Actions: what was asked of an instance.

use crate::App;
use crate::show::action::{self as show, ActionQuery};
use iroko_model::action::ActionKind;
use iroko_model::{ActionId, InstanceId, ProjectId};
use iroko_store::{Tx, action, instance};
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::List;
use iroko_wire::action::Action;
use serde_json::{Value, json};

/// Writes what was just asked of an instance; returns the path of the action.
pub async fn asked(tx: &mut Tx, project: ProjectId, instance: InstanceId, kind: ActionKind) -> Result<String> {
    asked_with(tx, project, instance, (kind, json!({}))).await
}

/// The same of a verb that takes something.
pub async fn asked_with(
    tx: &mut Tx,
    project: ProjectId,
    instance: InstanceId,
    (kind, arguments): (ActionKind, Value),
) -> Result<String> {
    let id = action::action_insert(tx, project, instance, kind, arguments).await?;
    Ok(format!("/v1/projects/{project}/instances/{instance}/actions/{id}"))
}

/// A page of what was asked of an instance, also one that was deleted.
pub async fn list(app: &App, project: ProjectId, id: InstanceId, query: ActionQuery) -> Result<List<Action>> {
    let mut tx = app.store.begin_bound(project).await?;
    if !instance::instance_exists(&mut tx, project, id).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    let page = action::action_list(&mut tx, project, id, query.page).await?;
    Ok(iroko_web::list(page, |row| show::of(row, project, id)))
}

/// One action of an instance.
pub async fn get(app: &App, project: ProjectId, instance: InstanceId, id: ActionId) -> Result<Action> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = action::action_get(&mut tx, project, instance, id.as_uuid()).await?;
    row.map(|row| show::of(row, project, instance)).ok_or(Problem::new(Plain::NotFound))
}
