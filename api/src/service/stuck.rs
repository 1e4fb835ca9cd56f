//! What is stuck, for operators.

use crate::App;
use crate::show::Show;
use iroko_identity::resource::{ListOf, shown};
use iroko_store::noun::{self, Within};
use iroko_store::stuck::Stuck as Row;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::stuck::Stuck;

/// A page of what is stuck.
pub async fn list(app: &App, listed: &ListOf<Row>) -> Result<List<Stuck>> {
    let mut tx = app.store.begin().await?;
    let found = noun::page::<Row>(&mut tx, &Within::system(), &listed.0).await?;
    Ok(shown(&listed.0, found, Show::show))
}
