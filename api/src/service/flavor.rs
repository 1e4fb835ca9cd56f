//! Flavors.

use crate::App;
use crate::show::Show;
use iroko_identity::extract::ListQuery;
use iroko_model::FlavorId;
use iroko_store::Wake;
use iroko_store::flavor::{self};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::flavor::{Flavor, FlavorCreate};

/// Makes a flavor.
pub async fn create(app: &App, request: FlavorCreate) -> Result<Flavor> {
    let (name, size, labels) = crate::show::flavor::checked(request)?;
    let mut tx = app.store.begin().await?;
    let row = flavor::flavor_insert(&mut tx, FlavorId::new(), &name, size, &labels).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.show())
}

/// A page of flavors.
pub async fn list(app: &App, query: ListQuery) -> Result<List<Flavor>> {
    let mut conn = app.store.connection().await?;
    Ok(iroko_web::list(flavor::flavor_list(&mut conn, query.page, &query.filter).await?, Show::show))
}

/// One flavor.
pub async fn get(app: &App, id: FlavorId) -> Result<Flavor> {
    let mut conn = app.store.connection().await?;
    let row = flavor::flavor_get(&mut conn, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a flavor.
pub async fn delete(app: &App, id: FlavorId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    if !flavor::flavor_delete(&mut tx, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}
