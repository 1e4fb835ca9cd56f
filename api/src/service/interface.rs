//! Interfaces of an instance that is there: put in and taken out. They are in force from its next start on.

use crate::App;
use crate::service::action::asked_with;
use crate::service::port;
use crate::show::instance::of as show;
use iroko_identity::extract::InProject;
use iroko_identity::service::quota;
use iroko_model::action::ActionKind;
use iroko_model::{InstanceId, Permission, PortId};
use iroko_store::Tx;
use iroko_store::authority::Scope;
use iroko_store::instance::{self, Instance as Row};
use iroko_store::noun::{self, Within};
use iroko_store::port::PortUse;
use iroko_web::problem::{Faults, Plain, Problem, Result, Rule};
use iroko_wire::instance::{INTERFACES_MAX, Instance, InterfaceCreate, InterfaceSource};
use serde_json::json;

/// Puts an interface in: a new port on a network, or one that stands alone. The path of the action, and the instance.
pub async fn attach(
    app: &App,
    tenant: &InProject,
    id: InstanceId,
    asked: InterfaceCreate,
) -> Result<(String, Instance)> {
    let mut faults = Faults::default();
    let source = asked.source("", &mut faults);
    let Some(source) = source else { return Err(faults.into()) };
    let mut tx = app.store.begin_bound(tenant.project).await?;
    there(&mut tx, tenant, id).await?;
    let places = instance::interface_places(&mut tx, id).await?;
    if places.len() >= INTERFACES_MAX {
        let text = format!("an instance has at most {INTERFACES_MAX} interfaces; detach one first");
        return Err(Problem::refuse(Rule::InterfacesCount, text));
    }
    let place = places.last().map_or(0, |last| last + 1);
    let port = match source {
        InterfaceSource::Network(new) => {
            quota::take(&mut tx, Scope::Project(tenant.project), &[("ports", 1)]).await?;
            port::make_for_instance(&mut tx, tenant.project, &new).await?
        }
        InterfaceSource::Port(port) => {
            match iroko_store::port::port_use(&mut tx, tenant.project, port).await? {
                Some(PortUse::Free) => {}
                Some(used) => return Err(port::in_use(port, used)),
                None => return Err(Problem::missing("/port_id", "port of its own")),
            }
            port
        }
    };
    instance::interface_attach(&mut tx, id, port, place).await?;
    changed(app, tenant, id, tx, (ActionKind::AttachInterface, port)).await
}

/// Takes an interface out. A port that stands alone stays, another one goes with its addresses.
pub async fn detach(app: &App, tenant: &InProject, id: InstanceId, port: PortId) -> Result<(String, Instance)> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    there(&mut tx, tenant, id).await?;
    if !instance::interface_detach(&mut tx, id, port).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    changed(app, tenant, id, tx, (ActionKind::DetachInterface, port)).await
}

/// Locks the instance, where it may change.
async fn there(tx: &mut Tx, tenant: &InProject, id: InstanceId) -> Result<()> {
    let row = noun::lock::<Row>(tx, &Within::project(tenant.project), id).await?;
    let row = row.ok_or(Problem::new(Plain::NotFound))?;
    if row.power == "deleted" {
        return Err(Problem::refuse(Rule::InstanceState, "it is being deleted"));
    }
    Ok(())
}

async fn changed(
    app: &App,
    tenant: &InProject,
    id: InstanceId,
    mut tx: Tx,
    (kind, port): (ActionKind, PortId),
) -> Result<(String, Instance)> {
    let place = asked_with(&mut tx, tenant.project, id, (kind, json!({"port_id": port}))).await?;
    let row = instance::instance_get(&mut tx, tenant.project, id).await?.ok_or(Problem::new(Plain::NotFound))?;
    app.store.commit(tx).await?;
    Ok((place, show(row, tenant.held.has(Permission::HostRead))))
}
