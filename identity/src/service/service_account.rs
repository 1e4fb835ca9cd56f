//! Service accounts.

use crate::Identity;
use crate::extract::{Actor, ListQuery};
use crate::service::authority::outranks_subject;
use crate::show::Show;
use iroko_model::{Labels, Name, OrganizationId, ServiceAccountId};
use iroko_store::authority::Subject;
use iroko_store::request::{Noun, check_generation};
use iroko_store::service_account::{self, ServiceAccountChange};
use iroko_store::{Error, Tx};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::service_account::{CheckedChange, ServiceAccount, ServiceAccountCreate, ServiceAccountUpdate};

/// Makes a service account, which may do nothing until a role is given.
pub async fn create(
    app: &Identity,
    organization: OrganizationId,
    request: ServiceAccountCreate,
) -> Result<ServiceAccount> {
    let (name, labels): (Name, Labels) = request.try_into()?;
    let mut tx = app.store.begin_bound(organization).await?;
    let row = service_account::service_account_insert(&mut tx, organization, &name, &labels).await.map_err(taken)?;
    app.store.commit(tx).await?;
    Ok(row.show())
}

fn taken(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            Problem::with(Kind::Conflict, "another service account of the organization has this name; choose another")
        }
        error => error.into(),
    }
}

/// A page of service accounts.
pub async fn list(app: &Identity, organization: OrganizationId, query: ListQuery) -> Result<List<ServiceAccount>> {
    let mut tx = app.store.begin_bound(organization).await?;
    let page = service_account::service_account_list(&mut tx, organization, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, Show::show))
}

/// One service account.
pub async fn get(app: &Identity, organization: OrganizationId, id: ServiceAccountId) -> Result<ServiceAccount> {
    let mut tx = app.store.begin_bound(organization).await?;
    let row = service_account::service_account_get(&mut tx, organization, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Renames, disables, enables or labels a service account.
pub async fn update(
    app: &Identity,
    actor: &Actor,
    organization: OrganizationId,
    id: ServiceAccountId,
    request: ServiceAccountUpdate,
) -> Result<ServiceAccount> {
    let CheckedChange { name, disabled, labels } = request.try_into()?;
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::ServiceAccount, id.as_uuid()).await?;
    may_change(&mut tx, actor, organization, id).await?;
    let change = ServiceAccountChange { name: name.as_ref(), disabled, labels: labels.as_ref() };
    let row = service_account::service_account_update(&mut tx, organization, id, &change).await.map_err(taken)?;
    app.store.commit(tx).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a service account, with its roles.
pub async fn delete(app: &Identity, actor: &Actor, organization: OrganizationId, id: ServiceAccountId) -> Result<()> {
    let mut tx = app.store.begin_bound(organization).await?;
    check_generation(&mut tx, Noun::ServiceAccount, id.as_uuid()).await?;
    may_change(&mut tx, actor, organization, id).await?;
    service_account::service_account_delete(&mut tx, organization, id).await?;
    Ok(app.store.commit(tx).await?)
}

/// It is there, and the actor has all that it has.
async fn may_change(tx: &mut Tx, actor: &Actor, organization: OrganizationId, id: ServiceAccountId) -> Result<()> {
    if service_account::service_account_get(tx, organization, id).await?.is_none() {
        return Err(Problem::new(Kind::NotFound));
    }
    outranks_subject(tx, actor, Subject::ServiceAccount(id)).await
}
