//! Instances. Every use case changes only what is wanted; scheduler and agents do the rest.

use crate::App;
use crate::resource::must_know;
use crate::service::action;
use crate::service::port::fixed;
use crate::show::instance::of as show;
use iroko_identity::auth::policy::forbidden;
use iroko_identity::extract::InProject;
use iroko_identity::resource::{naming, shown};
use iroko_identity::service::quota;
use iroko_model::action::ActionKind;
use iroko_model::host::Architecture;
use iroko_model::instance::Power;
use iroko_model::{InstanceId, Naming, Permission, ProjectId};
use iroko_store::authority::Scope;
use iroko_store::flavor::Size;
use iroko_store::instance::{self, Departed, Instance as Row, NewInstance, NewNic, Parts};
use iroko_store::noun::{self, Listing, Noun as _, Value, Within};
use iroko_store::port::{self, PortUse};
use iroko_store::request::{Noun, check_generation};
use iroko_store::{Error, Tx, Wake, console};
use iroko_web::extract::Patch;
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::instance::{
    CheckedInstance, ConsoleOutput, Instance, InstanceCreate, InstanceSettings, InterfaceSource, NewInterface, UserData,
};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Longest wait for a host to send a console log.
const CONSOLE_WAIT: Duration = Duration::from_secs(8);
/// How often the database is asked for it.
const CONSOLE_LOOK: Duration = Duration::from_millis(100);
const GIB: u64 = 1 << 30;

/// Makes an instance: its record and its ports with addresses, in one transaction.
pub async fn create(app: &App, tenant: &InProject, request: InstanceCreate) -> Result<Instance> {
    let wanted = CheckedInstance::try_from(request)?;
    let new_ports = || wanted.interfaces.iter().filter_map(InterfaceSource::new_port);
    let networks: Vec<Uuid> = new_ports().map(|new| new.network_id.as_uuid()).collect();
    let mut tx = app.store.begin_bound_planned(tenant.project).await?;
    let of = (wanted.flavor_id, wanted.image_id);
    let groups: Vec<Uuid> = new_ports().filter_map(|new| new.security_groups.as_ref()).flatten().copied().collect();
    let policies: Vec<Uuid> = new_ports().filter_map(|new| new.qos_policy).collect();
    let keys = &wanted.ssh_key_ids;
    let parts = instance::instance_parts(&mut tx, tenant.project, of, keys, &networks, &groups, &policies).await?;
    let (size, architecture) = fitting(&parts, &wanted)?;
    let ssh_keys = ssh_key_lines(&parts)?;
    let new = NewInstance {
        id: InstanceId::new(),
        project_id: tenant.project,
        naming: &wanted.naming,
        hostname: &wanted.hostname,
        flavor_id: wanted.flavor_id,
        size,
        image_id: wanted.image_id,
        architecture,
        ssh_keys: &ssh_keys,
        ssh_key_ids: &wanted.ssh_key_ids,
        user_data: wanted.user_data.as_deref(),
        user_data_is_base64: wanted.user_data_is_base64,
        on_guest_shutdown: wanted.on_guest_shutdown,
    };
    let nics = nics(&parts, &wanted.interfaces)?;
    if parts.is_limited {
        let amounts = [
            ("instances", 1),
            ("vcpus", size.vcpus.into()),
            ("memory_mib", size.memory_mib.into()),
            ("ports", i64::try_from(nics.len()).unwrap_or(i64::MAX)),
        ];
        quota::take(&mut tx, Scope::Project(tenant.project), &amounts).await?;
    }
    let asked_mac = nics.iter().find_map(|nic| nic.fixed.mac);
    let mut row = instance::instance_make(&mut tx, &new, &nics).await.map_err(|error| match error {
        // A random MAC address was another port's.
        Error::Taken(_) => asked_mac.map_or(Problem::new(Kind::Unavailable), |mac| Error::MacTaken(mac).into()),
        error => error.into(),
    })?;
    if nics.len() < wanted.interfaces.len() {
        attach(&mut tx, tenant.project, new.id, &wanted.interfaces).await?;
        let whole = instance::instance_get(&mut tx, tenant.project, new.id).await?;
        row = whole.ok_or(Problem::new(Kind::NotFound))?;
    }
    action::asked(&mut tx, tenant.project, new.id, ActionKind::Create).await?;
    app.store.commit_for(tx, Wake::Scheduler).await?;
    Ok(show(row, tenant.held.has(Permission::HostRead)))
}

/// The size and architecture, where flavor and image are there and go together.
fn fitting(parts: &Parts, wanted: &CheckedInstance) -> Result<(Size, Architecture)> {
    let size = parts.size.ok_or_else(|| Problem::missing("/flavor_id", "flavor"))?;
    let image = parts.image.as_ref().ok_or_else(|| Problem::missing("/image_id", "image"))?;
    let Some(virtual_size) = image.virtual_size_bytes.filter(|_| image.status == "active") else {
        let text = format!("the image {} is {}; upload its bytes first", wanted.image_id, image.status);
        return Err(Problem::with(Kind::Conflict, text));
    };
    let needed = u64::try_from(virtual_size).map_err(|e| Problem::internal(&e))?.div_ceil(GIB);
    if u64::try_from(size.disk_gib).map_err(|e| Problem::internal(&e))? < needed {
        let text =
            format!("the flavor has {} GiB of disk, the image needs {needed}; choose a larger flavor", size.disk_gib);
        return Err(Problem::field("/flavor_id", iroko_model::Invalid::new("disk_too_small", text)));
    }
    Ok((size, image.architecture.parse().map_err(|e| Problem::internal(&e))?))
}

/// The lines of the keys, in the order asked.
fn ssh_key_lines(parts: &Parts) -> Result<Vec<String>> {
    let line = |(index, line): (usize, &Option<String>)| {
        line.clone().ok_or_else(|| Problem::missing(format!("/ssh_key_ids/{index}"), "SSH key"))
    };
    parts.ssh_keys.iter().enumerate().map(line).collect()
}

/// The ports to be made with the instance.
fn nics<'a>(parts: &'a Parts, interfaces: &'a [InterfaceSource]) -> Result<Vec<NewNic<'a>>> {
    let new_ports = interfaces.iter().enumerate().filter_map(|(index, source)| Some((index, source.new_port()?)));
    new_ports.map(|(index, new)| nic(parts, index, new)).collect()
}

fn nic<'a>(parts: &'a Parts, index: usize, new: &'a NewInterface) -> Result<NewNic<'a>> {
    let at = format!("/interfaces/{index}");
    let missing = || Problem::missing(format!("{at}/network_id"), "network");
    let subnets = parts.networks.get(&new.network_id.as_uuid()).ok_or_else(missing)?;
    if let Some(asked) = &new.security_groups {
        must_know(&format!("{at}/security_group_ids"), asked, &parts.security_groups)?;
    }
    if new.qos_policy.is_some_and(|asked| !parts.qos_policies.contains(&asked)) {
        return Err(Problem::missing(format!("{at}/qos_policy_id"), "QoS policy"));
    }
    Ok(NewNic {
        network_id: new.network_id,
        index: place(index),
        subnets,
        security_groups: new.security_groups.as_deref().unwrap_or(parts.default_group.as_slice()),
        qos_policy: new.qos_policy,
        fixed: fixed(&at, subnets, &new.ip_addresses, new.mac_address)?,
    })
}

/// Attaches the ports that stand alone.
async fn attach(tx: &mut Tx, project: ProjectId, instance: InstanceId, interfaces: &[InterfaceSource]) -> Result<()> {
    for (index, source) in interfaces.iter().enumerate() {
        if let InterfaceSource::Port(id) = source
            && !port::port_attach(tx, project, *id, instance, place(index)).await?
        {
            return Err(match port::port_use(tx, project, *id).await? {
                Some(PortUse::Leaving) => Problem::leaving("the port"),
                Some(PortUse::By(other)) => Problem::with(
                    Kind::Conflict,
                    format!("the port {id} is used by the instance {other}; delete that, or choose another port"),
                ),
                // Freed a moment ago.
                Some(PortUse::Free) => Problem::leaving("the port"),
                None => Problem::missing(format!("/interfaces/{index}/port_id"), "port of its own"),
            });
        }
    }
    Ok(())
}

fn place(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// A page of instances, or of those that are gone (`deleted=true`). Where an instance is, is for operators only.
pub async fn list(app: &App, tenant: &InProject, listing: &Listing) -> Result<List<Instance>> {
    let to_operator = tenant.held.has(Permission::HostRead);
    let asks = |name| listing.by.iter().find(|(place, _)| Row::FILTERS.get(*place).is_some_and(|by| by.name == name));
    if asks("host_id").is_some() && !to_operator {
        return Err(forbidden(Permission::HostRead));
    }
    let within = Within::project(tenant.project);
    let mut tx = app.store.begin_bound(tenant.project).await?;
    if asks("deleted").is_some_and(|(_, value)| *value == Value::Flag(true)) {
        let found = noun::page::<Departed>(&mut tx, &within, listing).await?;
        return Ok(shown(listing, found, |departed| show(departed.last, to_operator)));
    }
    let found = noun::page::<Row>(&mut tx, &within, listing).await?;
    Ok(shown(listing, found, |row| show(row, to_operator)))
}

/// One instance; with `deleted` also one that is gone.
pub async fn get(app: &App, tenant: &InProject, id: InstanceId, deleted: bool) -> Result<Instance> {
    let mut tx = app.store.begin_bound_planned(tenant.project).await?;
    let row = match instance::instance_get(&mut tx, tenant.project, id).await? {
        None if deleted => instance::instance_history_get(&mut tx, tenant.project, id).await?,
        row => row,
    };
    row.map(|row| show(row, tenant.held.has(Permission::HostRead))).ok_or(Problem::new(Kind::NotFound))
}

/// The user data it was made with.
pub async fn user_data(app: &App, tenant: &InProject, id: InstanceId) -> Result<UserData> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let found = instance::instance_user_data(&mut tx, tenant.project, id).await?;
    found.map(|(sent, is_base64)| UserData::of(sent, is_base64)).ok_or(Problem::new(Kind::NotFound))
}

/// Wants it running or stopped.
pub async fn set_power(app: &App, tenant: &InProject, id: InstanceId, power: Power) -> Result<(String, Instance)> {
    let mut tx = app.store.begin_bound_planned(tenant.project).await?;
    check_generation(&mut tx, Noun::Instance, id.as_uuid()).await?;
    let found = instance::instance_set_power(&mut tx, tenant.project, id, power).await?;
    let kind = if power == Power::Running { ActionKind::Start } else { ActionKind::Stop };
    let refusal = "it is being deleted, or was lost with its host; delete it, and make another one";
    acted(app, tenant, id, tx, (found, refusal), kind).await
}

/// Changes what people wrote on it, and what shall be when its guest shuts itself down.
pub async fn update(app: &App, tenant: &InProject, id: InstanceId, patch: &Patch) -> Result<Instance> {
    let mut tx = app.store.begin_bound_planned(tenant.project).await?;
    check_generation(&mut tx, Noun::Instance, id.as_uuid()).await?;
    let row = instance::instance_get(&mut tx, tenant.project, id).await?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    let Some(to) = patch.apply(&settings(&row)?)? else {
        return changed(app, tenant, id, tx, true, "").await;
    };
    let policy = to.on_guest_shutdown.parse().map_err(|invalid| Problem::field("/on_guest_shutdown", invalid))?;
    let naming = Naming { name: to.name, description: to.description, labels: to.labels };
    let found = instance::instance_update(&mut tx, tenant.project, id, &naming, policy).await?;
    changed(app, tenant, id, tx, found, "it is being deleted").await
}

fn settings(row: &Row) -> Result<InstanceSettings> {
    let Naming { name, description, labels } = naming(&row.common)?;
    Ok(InstanceSettings { name, description, on_guest_shutdown: row.on_guest_shutdown.clone(), labels })
}

/// Wants it rebooted once.
pub async fn reboot(app: &App, tenant: &InProject, id: InstanceId) -> Result<(String, Instance)> {
    let mut tx = app.store.begin_bound_planned(tenant.project).await?;
    check_generation(&mut tx, Noun::Instance, id.as_uuid()).await?;
    let found = instance::instance_reboot(&mut tx, tenant.project, id).await?;
    let refusal = "only an instance that is wanted running can be rebooted; start it";
    acted(app, tenant, id, tx, (found, refusal), ActionKind::Reboot).await
}

/// Writes the action of a verb; the path of it, and the instance after the change.
async fn acted(
    app: &App,
    tenant: &InProject,
    id: InstanceId,
    mut tx: Tx,
    (found, refusal): (bool, &str),
    kind: ActionKind,
) -> Result<(String, Instance)> {
    let mut place = String::new();
    if found {
        place = action::asked(&mut tx, tenant.project, id, kind).await?;
    }
    Ok((place, changed(app, tenant, id, tx, found, refusal).await?))
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
    let row = instance::instance_get(&mut tx, tenant.project, id).await?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    if !done {
        return Err(Problem::with(Kind::Conflict, refusal));
    }
    app.store.commit(tx).await?;
    Ok(show(row, tenant.held.has(Permission::HostRead)))
}

/// Wants it gone; the path of the action, or `None` where it is gone already.
pub async fn delete(app: &App, tenant: &InProject, id: InstanceId) -> Result<Option<String>> {
    let mut tx = app.store.begin_bound_planned(tenant.project).await?;
    check_generation(&mut tx, Noun::Instance, id.as_uuid()).await?;
    if !instance::instance_delete(&mut tx, tenant.project, id).await? {
        let gone = instance::instance_exists(&mut tx, tenant.project, id).await?;
        return gone.then_some(None).ok_or(Problem::new(Kind::NotFound));
    }
    let place = action::asked(&mut tx, tenant.project, id, ActionKind::Delete).await?;
    app.store.commit(tx).await?;
    Ok(Some(place))
}

/// The console's tail: asks the host for it and waits a bounded time; then what was last sent.
pub async fn console(app: &App, tenant: &InProject, id: InstanceId) -> Result<ConsoleOutput> {
    let asked_at = OffsetDateTime::now_utc();
    let mut tx = app.store.begin_bound(tenant.project).await?;
    let row = instance::instance_get(&mut tx, tenant.project, id).await?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
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
