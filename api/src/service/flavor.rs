//! Flavors.

use crate::App;
use crate::extract::ListQuery;
use crate::problem::{Kind, Problem, Result};
use crate::wire::List;
use crate::wire::flavor::{Flavor, FlavorCreate};
use iroko_model::{FlavorId, Labels, Name};
use iroko_store::Wake;
use iroko_store::flavor::{self, Size};

/// Makes a flavor.
pub async fn create(app: &App, request: FlavorCreate) -> Result<Flavor> {
    let (name, size, labels): (Name, Size, Labels) = request.try_into()?;
    let mut tx = app.store.begin().await?;
    let row = flavor::flavor_insert(&mut tx, FlavorId::new(), &name, size, &labels).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.into())
}

/// A page of flavors.
pub async fn list(app: &App, query: ListQuery) -> Result<List<Flavor>> {
    let mut conn = app.store.connection().await?;
    Ok(List::of(flavor::flavor_list(&mut conn, query.page, &query.filter).await?, Flavor::from))
}

/// One flavor.
pub async fn get(app: &App, id: FlavorId) -> Result<Flavor> {
    let mut conn = app.store.connection().await?;
    let row = flavor::flavor_get(&mut conn, id).await?;
    row.map(Flavor::from).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a flavor.
pub async fn delete(app: &App, id: FlavorId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if !flavor::flavor_delete(&mut tx, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}
