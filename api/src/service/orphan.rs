//! Orphans: seen, adopted or removed by an operator. Nothing else removes them.

use crate::App;
use crate::show::Show;
use crate::show::orphan::spec;
use iroko_identity::extract::ListQuery;
use iroko_model::{HostId, InstanceId, Invalid, Name};
use iroko_store::orphan::{self, Adoption, AdoptionRefusal};
use iroko_store::{Error, Wake};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::instance::Instance;
use iroko_wire::orphan::{Orphan, OrphanAdopt};

/// A page of orphans.
pub async fn list(app: &App, host: Option<HostId>, query: ListQuery) -> Result<List<Orphan>> {
    let mut conn = app.store.connection().await?;
    Ok(iroko_web::list(orphan::orphan_list(&mut conn, host, query.page).await?, Show::show))
}

/// Has the host remove an instance that it keeps, with its disk.
pub async fn remove(app: &App, host: HostId, id: InstanceId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if !orphan::orphan_remove(&mut tx, host, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Outbox).await?)
}

/// Makes an instance that a host keeps one of a project.
pub async fn adopt(app: &App, host: HostId, id: InstanceId, request: OrphanAdopt) -> Result<Instance> {
    let (project, name) = request.checked()?;
    let mut tx = app.store.begin().await?;
    let row = orphan::orphan_instance(&mut tx, host, id).await?.ok_or(Problem::new(Kind::NotFound))?;
    let Some(spec) = spec(&row).filter(|spec| spec.id == id) else {
        let text = "its host does not know any more what it was to be; copy its disk away, or remove it";
        return Err(Problem::with(Kind::Conflict, text));
    };
    if iroko_store::project::project_get(&mut tx, project).await?.is_none() {
        let invalid = Invalid::new("reference_not_found", "there is no project with this id");
        return Err(Problem::field("/project_id", invalid));
    }
    let name = match name {
        Some(name) => name,
        None => Name::try_from(spec.hostname.as_str().to_owned()).map_err(|e| Problem::field("/name", e))?,
    };
    let new = Adoption { host_id: host, spec: &spec, project_id: project, name: &name, runs: row.is_running };
    let adopted = orphan::orphan_adopt(&mut tx, &new).await.map_err(|error| match error {
        Error::Taken(_) => Problem::with(
            Kind::Conflict,
            "an address of the instance was given to another port meanwhile; delete that port first",
        ),
        error => error.into(),
    })?;
    adopted.map_err(refusal)?;
    app.store.commit_for(tx, Wake::Outbox).await?;
    let mut tx = app.store.begin_bound(project).await?;
    let row = iroko_store::instance::instance_get(&mut tx, project, id).await?;
    row.map(|row| crate::show::instance::of(row, true)).ok_or(Problem::new(Kind::NotFound))
}

fn refusal(refusal: AdoptionRefusal) -> Problem {
    let text = match refusal {
        AdoptionRefusal::Known => {
            "an instance of this id is known on another host; remove the one that is not wanted".to_owned()
        }
        AdoptionRefusal::NoFlavor => "no flavor has the size of the instance; make one".to_owned(),
        AdoptionRefusal::ForeignImage(id) => {
            format!("the image {id} of the instance is of another project; choose that one")
        }
        AdoptionRefusal::NoNetwork(id) => {
            format!("the project does not have the network {id} of the instance; choose the project that has it")
        }
        AdoptionRefusal::NoSubnet(address) => {
            format!("no subnet of its network holds the address {address} of the instance; make one that does")
        }
    };
    Problem::with(Kind::Conflict, text)
}
