//! Security groups.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{Invalid, ProjectId, SecurityGroupId};
use iroko_store::authority::Scope;
use iroko_store::request::{Noun, check_generation};
use iroko_store::security_group::{self, GroupUse, NewSecurityGroup, SecurityGroupChange};
use iroko_store::{Error, Tx, Wake};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::security_group::{
    CheckedSecurityGroup, CheckedSecurityGroupUpdate, SecurityGroup, SecurityGroupCreate, SecurityGroupUpdate,
};
use uuid::Uuid;

/// Makes a group without rules.
pub async fn create(app: &App, project: ProjectId, request: SecurityGroupCreate) -> Result<SecurityGroup> {
    let CheckedSecurityGroup { name, description, stateful, labels } = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("security_groups", 1)]).await?;
    let new =
        NewSecurityGroup { project_id: project, name: &name, description: &description, stateful, labels: &labels };
    let row = security_group::security_group_insert(&mut tx, &new).await.map_err(taken)?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.show())
}

fn taken(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            Problem::with(Kind::Conflict, "another security group of the project has this name; choose another")
        }
        error => error.into(),
    }
}

/// A page of groups.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<SecurityGroup>> {
    let mut tx = app.store.begin_bound(project).await?;
    let page = security_group::security_group_list(&mut tx, project, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// One group.
pub async fn get(app: &App, project: ProjectId, id: SecurityGroupId) -> Result<SecurityGroup> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = security_group::security_group_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Changes a group; its hosts follow.
pub async fn update(
    app: &App,
    project: ProjectId,
    id: SecurityGroupId,
    request: SecurityGroupUpdate,
) -> Result<SecurityGroup> {
    let wanted: CheckedSecurityGroupUpdate = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::SecurityGroup, id.as_uuid()).await?;
    let is = security_group::security_group_get(&mut tx, project, id).await?.ok_or(Problem::new(Kind::NotFound))?;
    if is.is_default && wanted.name.as_ref().is_some_and(|name| name.as_str() != is.name) {
        let text = "the default group keeps its name; make a group of your own";
        return Err(Problem::field("/name", Invalid::new("default_group_name", text)));
    }
    let change = SecurityGroupChange {
        name: wanted.name.as_ref(),
        description: wanted.description.as_deref(),
        stateful: wanted.stateful,
        labels: wanted.labels.as_ref(),
    };
    let row = security_group::security_group_update(&mut tx, project, id, &change).await.map_err(taken)?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// Deletes a group that nobody uses.
pub async fn delete(app: &App, project: ProjectId, id: SecurityGroupId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::SecurityGroup, id.as_uuid()).await?;
    let is = security_group::security_group_get(&mut tx, project, id).await?.ok_or(Problem::new(Kind::NotFound))?;
    if is.is_default {
        let text = "the default group goes with its project; you may delete its rules";
        return Err(Problem::with(Kind::Conflict, text));
    }
    let used = security_group::security_group_use(&mut tx, id).await?;
    if used.ports > 0 || used.groups > 0 {
        return Err(in_use(used));
    }
    match security_group::security_group_delete(&mut tx, project, id).await {
        Ok(true) => Ok(app.store.commit_for(tx, Wake::Nobody).await?),
        Ok(false) => Err(Problem::new(Kind::NotFound)),
        // Since it was counted.
        Err(Error::InUse(by)) if by == "port_security_group_group" => Err(in_use(GroupUse { ports: 1, groups: 0 })),
        Err(Error::InUse(_)) => Err(in_use(GroupUse { ports: 0, groups: 1 })),
        Err(error) => Err(error.into()),
    }
}

fn in_use(used: GroupUse) -> Problem {
    let mut by = Vec::new();
    if used.ports > 0 {
        by.push(format!("{} ports are in it (take them out with PATCH, or delete them)", used.ports));
    }
    if used.groups > 0 {
        by.push(format!("{} other security groups have rules that refer to it (delete those)", used.groups));
    }
    Problem::with(Kind::Conflict, by.join("; "))
}

/// Says which of the groups asked for a port the project does not have. `pointer`: where they stand.
pub fn must_know(pointer: &str, asked: &[Uuid], known: &[Uuid]) -> Result<()> {
    match asked.iter().position(|id| !known.contains(id)) {
        None => Ok(()),
        Some(index) => Err(Problem::missing(format!("{pointer}/{index}"), "security group")),
    }
}

/// The groups of a port to be made: those asked for, or the default group.
pub async fn of_port(tx: &mut Tx, project: ProjectId, asked: Option<Vec<Uuid>>) -> Result<Vec<Uuid>> {
    let Some(asked) = asked else {
        return Ok(security_group::security_group_default(tx, project).await?.into_iter().collect());
    };
    must_know("/security_group_ids", &asked, &security_group::security_groups_known(tx, project, &asked).await?)?;
    Ok(asked)
}
