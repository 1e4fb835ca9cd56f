//! Instances. Every use case changes only what is wanted; scheduler and agents do the rest.

use crate::App;
use crate::extract::{InProject, ListQuery};
use crate::problem::{Kind, Problem, Result};
use crate::wire::List;
use crate::wire::instance::{CheckedInstance, ConsoleOutput, Instance, InstanceCreate, InterfaceSource, UserData};
use iroko_model::instance::Power;
use iroko_model::{InstanceId, Labels, Permission, PortId, ProjectId};
use iroko_store::flavor::{Flavor, flavor_get};
use iroko_store::image::{Image, image_get_for_use};
use iroko_store::instance::{self, NewInstance};
use iroko_store::port::{self, NewPort};
use iroko_store::subnet::{Subnet, subnets_of_networks};
use iroko_store::{Tx, console, ssh_key};
use std::collections::HashMap;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Longest wait for a host to send a console log.
const CONSOLE_WAIT: Duration = Duration::from_secs(8);
/// How often the database is asked for it.
const CONSOLE_LOOK: Duration = Duration::from_millis(100);
const GIB: i64 = 1 << 30;

/// Makes an instance: its record and its ports with addresses, in one transaction.
pub async fn create(app: &App, tenant: &InProject, request: InstanceCreate) -> Result<Instance> {
    let wanted = CheckedInstance::try_from(request)?;
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let (flavor, image) = flavor_and_image(&mut tx, tenant.project, &wanted).await?;
    let ssh_keys = ssh_key_lines(&mut tx, tenant.project, &wanted.ssh_key_ids).await?;
    let id = InstanceId::new();
    let new = NewInstance {
        id,
        project_id: tenant.project,
        name: &wanted.name,
        hostname: &wanted.hostname,
        labels: &wanted.labels,
        flavor_id: wanted.flavor_id,
        size: iroko_store::flavor::Size {
            vcpus: flavor.vcpus,
            memory_mib: flavor.memory_mib,
            disk_gib: flavor.disk_gib,
        },
        image_id: wanted.image_id,
        architecture: image.architecture.parse().map_err(|e| Problem::internal(&e))?,
        ssh_keys: &ssh_keys,
        user_data: wanted.user_data.as_deref(),
    };
    instance::instance_insert(&mut tx, &new).await?;
    plug(&mut tx, tenant.project, id, &wanted.interfaces).await?;
    let row = instance::instance_get(&mut tx, tenant.project, id, lease_s(app)).await?;
    app.store.commit(tx).await?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    Ok(Instance::of(row, tenant.held.has(Permission::HostRead)))
}

async fn flavor_and_image(tx: &mut Tx, project: ProjectId, wanted: &CheckedInstance) -> Result<(Flavor, Image)> {
    let flavor = flavor_get(tx, wanted.flavor_id).await?.ok_or_else(|| Problem::missing("/flavor_id", "flavor"))?;
    let image = image_get_for_use(tx, project, wanted.image_id).await?;
    let image = image.ok_or_else(|| Problem::missing("/image_id", "image"))?;
    let Some(virtual_size) = image.virtual_size_bytes.filter(|_| image.status == "active") else {
        return Err(Problem::with(
            Kind::Conflict,
            format!("the image {} is {}; upload its bytes first", image.id, image.status),
        ));
    };
    let needed = (virtual_size + GIB - 1) / GIB;
    if i64::from(flavor.disk_gib) < needed {
        let text =
            format!("the flavor has {} GiB of disk, the image needs {needed}; choose a larger flavor", flavor.disk_gib);
        return Err(Problem::field("/flavor_id", iroko_model::Invalid::new("disk_too_small", text)));
    }
    Ok((flavor, image))
}

/// The lines of the keys, in the order asked.
async fn ssh_key_lines(tx: &mut Tx, project: ProjectId, ids: &[Uuid]) -> Result<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: HashMap<Uuid, String> = ssh_key::ssh_key_lines(tx, project, ids).await?.into_iter().collect();
    let line = |(index, id): (usize, &Uuid)| {
        found.get(id).cloned().ok_or_else(|| Problem::missing(format!("/ssh_key_ids/{index}"), "SSH key"))
    };
    ids.iter().enumerate().map(line).collect()
}

/// Makes or attaches the instance's ports.
async fn plug(tx: &mut Tx, project: ProjectId, instance: InstanceId, interfaces: &[InterfaceSource]) -> Result<()> {
    let networks = networks(tx, project, interfaces).await?;
    let labels = Labels::default();
    for (index, source) in interfaces.iter().enumerate() {
        let place = i32::try_from(index).unwrap_or(i32::MAX);
        match source {
            InterfaceSource::Network(network_id) => {
                let subnets = networks.get(&network_id.as_uuid());
                let subnets =
                    subnets.ok_or_else(|| Problem::missing(format!("/interfaces/{index}/network_id"), "network"))?;
                let (id, name) = (PortId::new(), "");
                let instance = Some((instance, place));
                let new = NewPort { id, project_id: project, network_id: *network_id, name, labels: &labels, instance };
                port::port_insert(tx, &new, subnets).await?;
            }
            InterfaceSource::Port(id) => {
                if !port::port_attach(tx, project, *id, instance, place).await? {
                    return Err(Problem::missing(format!("/interfaces/{index}/port_id"), "unused port"));
                }
            }
        }
    }
    Ok(())
}

async fn networks(
    tx: &mut Tx,
    project: ProjectId,
    interfaces: &[InterfaceSource],
) -> Result<HashMap<Uuid, Vec<Subnet>>> {
    let asked: Vec<Uuid> = interfaces
        .iter()
        .filter_map(|source| match source {
            InterfaceSource::Network(id) => Some(id.as_uuid()),
            InterfaceSource::Port(_) => None,
        })
        .collect();
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(subnets_of_networks(tx, project, &asked).await?.into_iter().collect())
}

fn lease_s(app: &App) -> f64 {
    app.config.agent_link.lease_s as f64
}

/// A page of instances.
pub async fn list(app: &App, tenant: &InProject, query: ListQuery) -> Result<List<Instance>> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let page = instance::instance_list(&mut tx, tenant.project, query.page, &query.filter, lease_s(app)).await?;
    Ok(List::of(page, |row| Instance::of(row, tenant.held.has(Permission::HostRead))))
}

/// One instance, also one that was deleted.
pub async fn get(app: &App, tenant: &InProject, id: InstanceId) -> Result<Instance> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let row = instance::instance_get(&mut tx, tenant.project, id, lease_s(app)).await?;
    row.map(|row| Instance::of(row, tenant.held.has(Permission::HostRead))).ok_or(Problem::new(Kind::NotFound))
}

/// The user data it was made with.
pub async fn user_data(app: &App, tenant: &InProject, id: InstanceId) -> Result<UserData> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let found = instance::instance_user_data(&mut tx, tenant.project, id).await?;
    found.map(|user_data| UserData { user_data }).ok_or(Problem::new(Kind::NotFound))
}

/// Wants it running or stopped.
pub async fn set_power(app: &App, tenant: &InProject, id: InstanceId, power: Power) -> Result<Instance> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let found = instance::instance_set_power(&mut tx, tenant.project, id, power).await?;
    changed(app, tenant, id, tx, found, "it is being deleted").await
}

/// Wants it rebooted once.
pub async fn reboot(app: &App, tenant: &InProject, id: InstanceId) -> Result<Instance> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let found = instance::instance_reboot(&mut tx, tenant.project, id).await?;
    changed(app, tenant, id, tx, found, "only an instance that is wanted running can be rebooted; start it").await
}

/// Shows an instance after a change, or says why the change was refused.
async fn changed(
    app: &App,
    tenant: &InProject,
    id: InstanceId,
    mut tx: Tx,
    done: bool,
    refusal: &str,
) -> Result<Instance> {
    let row = instance::instance_get(&mut tx, tenant.project, id, lease_s(app)).await?;
    let row = row.filter(|row| row.deleted_at.is_none()).ok_or(Problem::new(Kind::NotFound))?;
    if !done {
        return Err(Problem::with(Kind::Conflict, refusal));
    }
    app.store.commit(tx).await?;
    Ok(Instance::of(row, tenant.held.has(Permission::HostRead)))
}

/// Wants it gone.
pub async fn delete(app: &App, tenant: &InProject, id: InstanceId) -> Result<()> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    if !instance::instance_delete(&mut tx, tenant.project, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit(tx).await?)
}

/// The console's tail: asks the host for it and waits a bounded time; then what was last sent.
pub async fn console(app: &App, tenant: &InProject, id: InstanceId) -> Result<ConsoleOutput> {
    let asked_at = OffsetDateTime::now_utc();
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let row = instance::instance_get(&mut tx, tenant.project, id, lease_s(app)).await?;
    let row = row.filter(|row| row.deleted_at.is_none()).ok_or(Problem::new(Kind::NotFound))?;
    let answers = console::console_want(&mut tx, id).await? && !row.host_unreachable;
    app.store.commit(tx).await?;
    let patience = Instant::now() + if answers { CONSOLE_WAIT } else { Duration::ZERO };
    loop {
        let mut tx = app.store.begin_bound(tenant.project).await?;
        let console = console::console_get(&mut tx, id).await?;
        drop(tx);
        let is_new = console.as_ref().and_then(|c| c.updated_at).is_some_and(|at| at >= asked_at);
        if is_new || Instant::now() >= patience {
            let (output, updated_at) = console.map_or((String::new(), None), |c| (c.tail, c.updated_at));
            return Ok(ConsoleOutput { output, updated_at });
        }
        sleep(CONSOLE_LOOK).await;
    }
}
