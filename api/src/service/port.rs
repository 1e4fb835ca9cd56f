//! Ports: those that stand alone, and what any may send and get.

use crate::App;
use crate::resource::{must_know, of_port, qos_policy_known as known};
use crate::show::Show;
use iroko_identity::auth::policy::forbidden;
use iroko_identity::extract::InProject;
use iroko_identity::resource::stored;
use iroko_identity::service::quota;
use iroko_model::subnet::SubnetPlan;
use iroko_model::{Invalid, MacAddress, Name, Permission, PortId, ProjectId, QosPolicyId};
use iroko_store::authority::Scope;
use iroko_store::port::{self, Fixed, NewPort, Port as Row, PortChange, PortDeletion, PortFilter};
use iroko_store::request::{Noun, check_generation};
use iroko_store::security_group::security_groups_known;
use iroko_store::subnet::{Pool, pools_of_networks};
use iroko_store::{PageQuery, Wake};
use iroko_web::extract::Patch;
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::label_map;
use iroko_wire::port::{AllowedAddressPair, CheckedPort, Port, PortCreate, PortSettings};
use std::net::IpAddr;

/// Makes a port with addresses of its network.
pub async fn create(app: &App, project: ProjectId, request: PortCreate) -> Result<Port> {
    let wanted: CheckedPort = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    let networks = pools_of_networks(&mut tx, project, &[wanted.network_id.as_uuid()]).await?;
    let (_, subnets) = networks.first().ok_or_else(|| Problem::missing("/network_id", "network"))?;
    quota::take(&mut tx, Scope::Project(project), &[("ports", 1)]).await?;
    let groups = of_port(&mut tx, project, wanted.security_group_ids).await?;
    known(&mut tx, project, wanted.qos_policy_id).await?;
    let id = PortId::new();
    let fixed = fixed("", subnets, &wanted.ip_addresses, wanted.mac_address)?;
    let new = NewPort {
        fixed: &fixed,
        id,
        project_id: project,
        network_id: wanted.network_id,
        naming: &wanted.naming,
        security_group_ids: &groups,
        allowed_address_pairs: &wanted.allowed_address_pairs,
        qos_policy_id: wanted.qos_policy_id,
    };
    port::port_insert(&mut tx, &new, subnets).await?;
    let row = port::port_get(&mut tx, project, id).await?;
    app.store.commit(tx).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// The addresses that are asked for, each with its subnet. `at`: the pointer of what asks.
pub fn fixed(at: &str, subnets: &[Pool], addresses: &[IpAddr], mac: Option<MacAddress>) -> Result<Fixed> {
    let place = |(index, address): (usize, &IpAddr)| {
        let fault = |invalid| Problem::field(format!("{at}/ip_addresses/{index}"), invalid);
        let Some(subnet) = subnets.iter().find(|subnet| subnet.cidr.contains(*address)) else {
            let text = format!("{address} is in no subnet of the network");
            return Err(fault(Invalid::new("address_outside", text)));
        };
        let gateway = subnet.gateway.map(|gateway| gateway.ip());
        SubnetPlan::check_port(subnet.cidr, gateway, subnet.service.ip(), *address).map_err(fault)?;
        Ok((subnet.id, *address))
    };
    Ok(Fixed { addresses: addresses.iter().enumerate().map(place).collect::<Result<_>>()?, mac })
}

/// A page of ports.
pub async fn list(app: &App, project: ProjectId, page: PageQuery, filter: &PortFilter) -> Result<List<Port>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(port::port_list(&mut tx, project, page, filter).await?, Show::show))
}

/// One port.
pub async fn get(app: &App, project: ProjectId, id: PortId) -> Result<Port> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = port::port_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Changes what a port may send and get, and how much. To let it send what it likes takes a permission of its own.
pub async fn update(app: &App, tenant: &InProject, id: PortId, patch: &Patch) -> Result<Port> {
    let mut tx = app.store.begin_bound(tenant.project).await?;
    if !port::port_lock(&mut tx, tenant.project, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    check_generation(&mut tx, Noun::Port, id.as_uuid()).await?;
    let was = port::port_get(&mut tx, tenant.project, id).await?.ok_or(Problem::new(Kind::NotFound))?;
    let is = settings(&was)?;
    let Some(to) = patch.apply(&is)? else { return Ok(was.show()) };
    if is.port_security_enabled && !to.port_security_enabled && !tenant.held.has(Permission::PortDisableSecurity) {
        return Err(forbidden(Permission::PortDisableSecurity));
    }
    let (groups, pairs) = to.checked()?;
    let known_groups = security_groups_known(&mut tx, tenant.project, &groups).await?;
    must_know("/security_group_ids", &groups, &known_groups)?;
    known(&mut tx, tenant.project, to.qos_policy_id).await?;
    let name = to.name.as_ref().map_or("", Name::as_str);
    let change = PortChange {
        security_group_ids: (to.security_group_ids != is.security_group_ids).then_some(groups.as_slice()),
        allowed_address_pairs: (to.allowed_address_pairs != is.allowed_address_pairs).then_some(pairs.as_slice()),
        port_security_enabled: (to.port_security_enabled != is.port_security_enabled)
            .then_some(to.port_security_enabled),
        qos_policy_id: (to.qos_policy_id != is.qos_policy_id).then_some(to.qos_policy_id),
        written: Some((name, to.description.as_str(), &to.labels)),
    };
    port::port_update(&mut tx, tenant.project, id, &change).await?;
    let row = port::port_get(&mut tx, tenant.project, id).await?;
    app.store.commit(tx).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

fn settings(row: &Row) -> Result<PortSettings> {
    let name = (!row.name.is_empty()).then(|| row.name.clone());
    Ok(PortSettings {
        name: stored(name.map(Name::try_from).transpose())?,
        description: stored(row.description.clone().try_into())?,
        security_group_ids: row.security_group_ids.clone(),
        allowed_address_pairs: row.allowed_address_pairs.0.iter().copied().map(AllowedAddressPair::from).collect(),
        port_security_enabled: row.port_security_enabled,
        qos_policy_id: row.qos_policy_id.map(QosPolicyId::from),
        labels: stored(label_map(&row.labels).try_into())?,
    })
}

/// Deletes a port that no instance uses.
pub async fn delete(app: &App, project: ProjectId, id: PortId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::Port, id.as_uuid()).await?;
    match port::port_delete(&mut tx, project, id).await? {
        PortDeletion::Deleted => Ok(app.store.commit_for(tx, Wake::Nobody).await?),
        PortDeletion::NotFound => Err(Problem::new(Kind::NotFound)),
        PortDeletion::Leaving => Err(Problem::leaving("the port")),
        PortDeletion::InUse => {
            Err(Problem::with(Kind::Conflict, "an instance uses the port; delete the instance first"))
        }
    }
}
