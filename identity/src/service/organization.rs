//! Organizations.

use crate::Identity;
use crate::extract::{Actor, ListQuery};
use crate::resource::{missing, naming};
use crate::service::suspension;
use crate::service::user;
use crate::show::Show;
use axum::http::StatusCode;
use iroko_model::{Naming, OrganizationId, Role};
use iroko_store::authority::Scope;
use iroko_store::noun::{self, Within};
use iroko_store::organization::{self, Organization as Row};
use iroko_store::role_binding::{Holder, RoleRef, role_binding_insert};
use iroko_store::{Wake, bind_below};
use iroko_web::extract::Patch;
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::organization::{Organization, OrganizationCreate, OrganizationSettings};

/// Makes an organization, with its first user where one is asked for.
pub async fn create(
    app: &Identity,
    parent: Option<OrganizationId>,
    request: OrganizationCreate,
) -> Result<Organization> {
    let (naming, owner) = request.checked()?;
    let hash = match &owner {
        Some(owner) => Some(user::hash(app, owner, naming.name.as_str().to_owned(), "/owner").await?),
        None => None,
    };
    let mut tx = match parent {
        Some(parent) => app.store.begin_bound(parent).await?,
        // At the top, by an operator.
        None => app.store.begin().await?,
    };
    if let Some(parent) = parent {
        let depth = organization::organization_depth(&mut tx, parent).await?.ok_or(Problem::new(Plain::NotFound))?;
        if depth >= organization::DEPTH_MAX {
            let text = format!("at most {} organizations stand above each other", organization::DEPTH_MAX);
            return Err(Problem::refuse(Rule::OrganizationTooDeep, text));
        }
    }
    let row = organization::organization_insert(&mut tx, parent, &naming).await.map_err(taken)?;
    if let (Some(owner), Some(hash)) = (owner, hash) {
        let id = row.common.id;
        bind_below(&mut tx, id).await?;
        let owner = user::insert(&mut tx, id, &owner, &hash, "/owner").await?;
        let scope = Scope::Organization(id);
        role_binding_insert(&mut tx, Holder::User(owner.common.id.as_uuid()), RoleRef::BuiltIn(Role::Owner), scope)
            .await?;
    }
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn taken(error: iroko_store::Error) -> Problem {
    match error {
        iroko_store::Error::Taken(_) => Problem::refuse(
            Rule::NameTaken,
            "another organization right below the same one has this name; choose another",
        ),
        error => error.into(),
    }
}

/// A page of the organizations that the caller may see.
pub async fn list(app: &Identity, actor: &Actor, query: ListQuery) -> Result<List<Organization>> {
    let mut conn = app.store.connection().await?;
    let page = organization::organization_list(&mut conn, actor.subject, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// A page of the organizations right below one.
pub async fn children(app: &Identity, parent: OrganizationId, query: ListQuery) -> Result<List<Organization>> {
    let mut tx = app.store.begin_bound(parent).await?;
    let page = organization::organization_children(&mut tx, parent, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// One organization.
pub async fn get(app: &Identity, id: OrganizationId) -> Result<Organization> {
    let mut tx = app.store.begin_bound(id).await?;
    let row = organization::organization_get(&mut tx, id).await?;
    row.map(Show::show).ok_or(Problem::new(Plain::NotFound))
}

/// Changes what people write on an organization. A patch that changes nothing writes nothing.
pub async fn update(app: &Identity, id: OrganizationId, patch: &Patch) -> Result<Organization> {
    let mut tx = app.store.begin_bound(id).await?;
    let row = noun::lock::<Row>(&mut tx, &Within::system(), id).await?.ok_or_else(missing)?;
    let Naming { name, description, labels } = naming(&row.common)?;
    let Some(to) = patch.apply(&OrganizationSettings { name, description, labels })? else {
        app.store.commit_for(tx, Wake::Nobody).await?;
        return Ok(row.show());
    };
    let to = Naming { name: to.name, description: to.description, labels: to.labels };
    let row = organization::organization_update(&mut tx, id, &to).await.map_err(taken)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// Deletes an organization in which nothing is left, or begins to purge it.
pub async fn delete(app: &Identity, actor: &Actor, id: OrganizationId, purge: bool) -> Result<StatusCode> {
    let scope = Scope::Organization(id);
    if purge {
        suspension::purge(app, actor, scope).await?;
        return Ok(StatusCode::ACCEPTED);
    }
    let mut tx = app.store.begin_bound(id).await?;
    noun::compare::<Row>(&mut tx, &Within::system(), id).await?;
    suspension::not_empty(app, scope).await?;
    match organization::organization_delete(&mut tx, id).await {
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
