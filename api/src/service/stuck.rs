//! What is stuck, for operators.

use crate::App;
use crate::service::lease;
use crate::show::Show;
use iroko_identity::resource::Listed;
use iroko_store::noun::{self, Within};
use iroko_store::stuck::Stuck as Row;
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::stuck::Stuck;

/// A page of what is stuck.
pub async fn list(app: &App, listed: &Listed<Row>) -> Result<List<Stuck>> {
    let mut tx = app.store.begin_seeing(lease(app)).await?;
    let found = noun::page(&mut tx, &Within::system(), listed.listing()).await?;
    Ok(listed.answer(found, Show::show))
}
