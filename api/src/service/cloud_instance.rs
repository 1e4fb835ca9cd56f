//! Instances of the whole cloud, for operators.

use crate::App;
use crate::show::Show;
use iroko_identity::resource::{ListOf, missing, shown};
use iroko_model::HostId;
use iroko_store::cloud_instance::CloudInstance as Row;
use iroko_store::host::host_get;
use iroko_store::noun::{self, Within};
use iroko_web::problem::Result;
use iroko_wire::List;
use iroko_wire::cloud_instance::CloudInstance;

/// A page of all instances.
pub async fn list(app: &App, listed: &ListOf<Row>) -> Result<List<CloudInstance>> {
    let mut tx = app.store.begin().await?;
    let found = noun::page::<Row>(&mut tx, &Within::system(), &listed.0).await?;
    Ok(shown(&listed.0, found, Show::show))
}

/// A page of the instances at home on a host.
pub async fn list_of_host(app: &App, host: HostId, listed: &ListOf<Row>) -> Result<List<CloudInstance>> {
    let mut tx = app.store.begin().await?;
    host_get(&mut tx, host).await?.ok_or_else(missing)?;
    let within = Within::system().below("host_id", host.as_uuid());
    let found = noun::page::<Row>(&mut tx, &within, &listed.0).await?;
    Ok(shown(&listed.0, found, Show::show))
}
