//! The use cases: one transaction each.

use super::{Change, Create, Delete, Place, Resource, missing};
use crate::service::quota;
use iroko_store::noun::{self, Listing, Noun, Within};
use iroko_store::{Error, Page, Store, Tx, Wake};
use iroko_web::extract::Patch;
use iroko_web::problem::{Problem, Result, Rule};

type Id<R> = <<R as Resource>::Row as Noun>::Id;

async fn begin(store: &Store, within: &Within) -> Result<Tx> {
    Ok(match within.bound() {
        Some(bound) => store.begin_bound(bound).await?,
        None => store.begin().await?,
    })
}

/// A page, and how many there are in all, where that was asked for.
pub async fn list<R: Resource>(
    store: &Store,
    within: &Within,
    listing: &Listing,
) -> Result<(Page<R::Row>, Option<i64>)> {
    let mut tx = begin(store, within).await?;
    Ok(noun::page(&mut tx, within, listing).await?)
}

/// One of them.
pub async fn get<R: Resource>(store: &Store, within: &Within, id: Id<R>) -> Result<R::Row> {
    let mut tx = begin(store, within).await?;
    noun::get(&mut tx, within, id).await?.ok_or_else(missing)
}

/// Makes one.
pub async fn create<R: Create>(
    store: &Store,
    by: &R::By,
    within: &Within,
    needs: &R::Needs,
    request: R::Request,
) -> Result<R::Row> {
    let mut tx = begin(store, within).await?;
    if let Some(kind) = R::QUOTA {
        quota::take(&mut tx, by.scope(), &[(kind, 1)]).await?;
    }
    let row = R::create(&mut tx, by, within, needs, request).await?;
    store.commit(tx).await?;
    Ok(row)
}

/// Changes one by a merge patch of its settings. A patch that changes nothing writes nothing.
pub async fn change<R: Change>(store: &Store, by: &R::By, within: &Within, id: Id<R>, patch: &Patch) -> Result<R::Row> {
    let mut tx = begin(store, within).await?;
    let row = noun::lock::<R::Row>(&mut tx, within, id).await?.ok_or_else(missing)?;
    let Some(to) = patch.apply(&R::settings(&row)?)? else {
        store.commit_for(tx, Wake::Nobody).await?;
        return Ok(row);
    };
    let row = R::change(&mut tx, by, within, row, to).await?;
    store.commit(tx).await?;
    Ok(row)
}

/// Deletes one.
pub async fn delete<R: Delete>(store: &Store, by: &R::By, within: &Within, id: Id<R>) -> Result<()> {
    let mut tx = begin(store, within).await?;
    // Before anything else is said: who has seen another state decides anew.
    noun::compare::<R::Row>(&mut tx, within, id).await?;
    if let Some(problem) = R::used(&mut tx, by, within, id).await? {
        return Err(problem);
    }
    match R::delete(&mut tx, within, id).await? {
        true => Ok(store.commit(tx).await?),
        false => Err(missing()),
    }
}

/// A name or value that must be unique and is taken.
pub fn taken<R: Resource>(error: Error) -> Problem {
    match error {
        Error::Taken(_) => {
            let one = R::WORDS.one();
            Problem::refuse(Rule::NameTaken, format!("another {one} has this name already; choose another"))
        }
        error => error.into(),
    }
}
