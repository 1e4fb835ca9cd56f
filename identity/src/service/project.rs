//! Projects.

use crate::Identity;
use crate::extract::{Actor, ListQuery};
use crate::resource::{missing, naming};
use crate::service::{quota, suspension};
use crate::show::Show;
use axum::http::StatusCode;
use iroko_model::{Naming, OrganizationId, ProjectId};
use iroko_store::Wake;
use iroko_store::authority::Scope;
use iroko_store::noun::{self, Within};
use iroko_store::project::{self, Project as Row};
use iroko_web::extract::Patch;
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::project::{Project, ProjectCreate, ProjectSettings};

/// Makes a project.
pub async fn create(app: &Identity, organization: OrganizationId, request: ProjectCreate) -> Result<Project> {
    let naming = Naming { name: request.name, description: request.description, labels: request.labels };
    let mut tx = app.store.begin_bound(organization).await?;
    quota::take(&mut tx, Scope::Organization(organization), &[("projects", 1)]).await?;
    let row = project::project_insert(&mut tx, organization, &naming).await.map_err(taken)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn taken(error: iroko_store::Error) -> Problem {
    match error {
        iroko_store::Error::Taken(_) => {
            Problem::refuse(Rule::NameTaken, "another project of the organization has this name; choose another")
        }
        error => error.into(),
    }
}

/// A page of the caller's projects.
pub async fn list_of(app: &Identity, actor: &Actor, query: ListQuery) -> Result<List<Project>> {
    let mut conn = app.store.connection().await?;
    let page = project::project_list_of(&mut conn, actor.subject, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// A page of an organization's projects.
pub async fn list(app: &Identity, organization: OrganizationId, query: ListQuery) -> Result<List<Project>> {
    let mut tx = app.store.begin_bound(organization).await?;
    let page = project::project_list(&mut tx, organization, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// One project.
pub async fn get(app: &Identity, id: ProjectId) -> Result<Project> {
    let mut tx = app.store.begin_bound(id).await?;
    project::project_get(&mut tx, id).await?.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Changes what people write on a project. A patch that changes nothing writes nothing.
pub async fn update(app: &Identity, id: ProjectId, patch: &Patch) -> Result<Project> {
    let mut tx = app.store.begin_bound(id).await?;
    let row = noun::lock::<Row>(&mut tx, &Within::system(), id).await?.ok_or_else(missing)?;
    let Naming { name, description, labels } = naming(&row.common)?;
    let Some(to) = patch.apply(&ProjectSettings { name, description, labels })? else {
        app.store.commit_for(tx, Wake::Nobody).await?;
        return Ok(row.show());
    };
    let to = Naming { name: to.name, description: to.description, labels: to.labels };
    let row = project::project_update(&mut tx, id, &to).await.map_err(taken)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// Deletes a project in which nothing is left, or begins to purge it.
pub async fn delete(app: &Identity, actor: &Actor, id: ProjectId, purge: bool) -> Result<StatusCode> {
    let scope = Scope::Project(id);
    if purge {
        suspension::purge(app, actor, scope).await?;
        return Ok(StatusCode::ACCEPTED);
    }
    let mut tx = app.store.begin_bound(id).await?;
    noun::compare::<Row>(&mut tx, &Within::system(), id).await?;
    suspension::not_empty(app, scope).await?;
    match project::project_delete(&mut tx, id).await {
        Ok(true) => app.store.commit(tx).await?,
        Ok(false) => return Err(Problem::new(Plain::NotFound)),
        // Made since it was looked at.
        Err(iroko_store::Error::InUse(_)) => {
            return Err(Problem::refuse(Rule::NotEmpty, "something was made in it meanwhile; look again"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(StatusCode::NO_CONTENT)
}
