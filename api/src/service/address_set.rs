//! Address sets.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::{AddressSetId, ProjectId};
use iroko_store::address_set::{self, AddressSetChange, NewAddressSet};
use iroko_store::authority::Scope;
use iroko_store::request::{Noun, check_generation};
use iroko_store::{Error, Wake};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::address_set::{
    AddressSet, AddressSetCreate, AddressSetUpdate, CheckedAddressSet, CheckedAddressSetUpdate,
};

/// Makes a set.
pub async fn create(app: &App, project: ProjectId, request: AddressSetCreate) -> Result<AddressSet> {
    let CheckedAddressSet { name, description, cidrs, labels } = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("address_sets", 1)]).await?;
    let new =
        NewAddressSet { project_id: project, name: &name, description: &description, cidrs: &cidrs, labels: &labels };
    let row = address_set::address_set_insert(&mut tx, &new).await.map_err(taken)?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.show())
}

fn taken(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            Problem::with(Kind::Conflict, "another address set of the project has this name; choose another")
        }
        error => error.into(),
    }
}

/// A page of sets.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<AddressSet>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(address_set::address_set_list(&mut tx, project, query.page, &query.filter).await?, Show::show))
}

/// One set.
pub async fn get(app: &App, project: ProjectId, id: AddressSetId) -> Result<AddressSet> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = address_set::address_set_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Changes a set; the hosts whose rules refer to it follow.
pub async fn update(app: &App, project: ProjectId, id: AddressSetId, request: AddressSetUpdate) -> Result<AddressSet> {
    let wanted: CheckedAddressSetUpdate = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::AddressSet, id.as_uuid()).await?;
    let change = AddressSetChange {
        name: wanted.name.as_ref(),
        description: wanted.description.as_deref(),
        cidrs: wanted.cidrs.as_deref(),
        labels: wanted.labels.as_ref(),
    };
    let row = address_set::address_set_update(&mut tx, project, id, &change).await.map_err(taken)?;
    let row = row.ok_or(Problem::new(Kind::NotFound))?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

/// Deletes a set that no rule refers to.
pub async fn delete(app: &App, project: ProjectId, id: AddressSetId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    check_generation(&mut tx, Noun::AddressSet, id.as_uuid()).await?;
    let used = address_set::address_set_use(&mut tx, id).await?;
    if used > 0 {
        return Err(in_use(used));
    }
    match address_set::address_set_delete(&mut tx, project, id).await {
        Ok(true) => Ok(app.store.commit_for(tx, Wake::Nobody).await?),
        Ok(false) => Err(Problem::new(Kind::NotFound)),
        // Since it was counted.
        Err(Error::InUse(_)) => Err(in_use(1)),
        Err(error) => Err(error.into()),
    }
}

fn in_use(groups: i64) -> Problem {
    let text = format!("{groups} security groups have rules that refer to it; delete those rules first");
    Problem::with(Kind::Conflict, text)
}
