//! The routes of a noun.

use super::document::{self, Described};
use super::list::{ListOf, shown};
use super::{Change, Create, Delete, Place, Resource, missing, service};
use crate::Identity;
use crate::extract::{By, Guard, guarded_by};
use axum::Json;
use axum::extract::{FromRef, FromRequestParts, RawPathParams, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{self, MethodRouter};
use iroko_store::Store;
use iroko_store::noun::{Noun, Within};
use iroko_web::extract::{CheckedJson, Patch};
use iroko_web::problem::{Problem, Result};
use iroko_wire::List;
use std::marker::PhantomData;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

/// The routes of a noun in the making: those that every noun has, and those that its traits add.
pub struct Routes<R, S>(OpenApiRouter<S>, PhantomData<fn() -> R>);

impl<R: Resource, S: Clone + Send + Sync + 'static> Routes<R, S>
where
    Store: FromRef<S>,
    Identity: FromRef<S>,
{
    /// List and show.
    pub fn read() -> Self {
        Self(OpenApiRouter::new(), PhantomData)
            .with::<R::Read>(document::list::<R>(), routing::get(list::<R>))
            .with::<R::Read>(document::get::<R>(), routing::get(get::<R>))
    }

    fn with<G: Guard>(self, (schemas, paths): Described, method: MethodRouter<S>) -> Self {
        Self(self.0.routes(guarded_by((schemas, paths, method), PhantomData::<G>)), PhantomData)
    }

    /// Create.
    #[must_use]
    pub fn create(self) -> Self
    where
        R: Create,
        R::Needs: FromRef<S>,
    {
        self.with::<<R as Create>::By>(document::create::<R>(), routing::post(create::<R>))
    }

    /// Change.
    #[must_use]
    pub fn change(self) -> Self
    where
        R: Change,
    {
        self.with::<<R as Change>::By>(document::change::<R>(), routing::patch(change::<R>))
    }

    /// Delete.
    #[must_use]
    pub fn delete(self) -> Self
    where
        R: Delete,
    {
        self.with::<<R as Delete>::By>(document::delete::<R>(), routing::delete(delete::<R>))
    }

    /// The router.
    pub fn router(self) -> OpenApiRouter<S> {
        self.0
    }
}

type Id<R> = <<R as Resource>::Row as Noun>::Id;

/// The ids in the path that are neither the owner's nor the thing's own: what it is below of. Columns have the names of
/// their parameters.
struct Below<R>(Vec<(&'static str, Uuid)>, PhantomData<fn() -> R>);

impl<R: Resource, S: Send + Sync> FromRequestParts<S> for Below<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| missing())?;
        let parents = document::parameters(R::PATH).filter(|name| !matches!(*name, "project_id" | "organization_id"));
        let below = parents.map(|name| Ok((name, of_path(&params, name)?))).collect::<Result<_>>()?;
        Ok(Self(below, PhantomData))
    }
}

impl<R> Below<R> {
    fn within(&self, place: &impl Place) -> Within {
        self.0.iter().fold(place.within(), |within, (column, id)| within.below(column, *id))
    }
}

/// The id of the thing itself.
struct Named<R: Resource>(Id<R>);

impl<R: Resource, S: Send + Sync> FromRequestParts<S> for Named<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| missing())?;
        Ok(Self(of_path(&params, R::PARAMETER)?.into()))
    }
}

/// Text that is no id names nothing.
fn of_path(params: &RawPathParams, name: &str) -> Result<Uuid> {
    let id = params.iter().find(|(key, _)| *key == name).and_then(|(_, text)| text.parse().ok());
    id.ok_or_else(missing)
}

async fn list<R: Resource>(
    State(store): State<Store>,
    By(guard): By<R::Read>,
    below: Below<R>,
    ListOf(listing, _): ListOf<R::Row>,
) -> Result<Json<List<R::Shown>>> {
    let found = service::list::<R>(&store, &below.within(&guard), &listing).await?;
    Ok(Json(shown(&listing, found, |row| R::show(row, &guard))))
}

async fn get<R: Resource>(
    State(store): State<Store>,
    By(guard): By<R::Read>,
    below: Below<R>,
    Named(id): Named<R>,
) -> Result<Json<R::Shown>> {
    let row = service::get::<R>(&store, &below.within(&guard), id).await?;
    Ok(Json(R::show(row, &guard)))
}

async fn create<R: Create>(
    State(store): State<Store>,
    By(guard): By<<R as Create>::By>,
    State(needs): State<R::Needs>,
    below: Below<R>,
    CheckedJson(body): CheckedJson<R::Request>,
) -> Result<(StatusCode, Json<R::Shown>)> {
    let row = service::create::<R>(&store, &below.within(&guard), guard.scope(), &needs, body).await?;
    Ok((StatusCode::CREATED, Json(R::show(row, &guard))))
}

async fn change<R: Change>(
    State(store): State<Store>,
    By(guard): By<<R as Change>::By>,
    below: Below<R>,
    Named(id): Named<R>,
    patch: Patch,
) -> Result<Json<R::Shown>> {
    let row = service::change::<R>(&store, &guard, &below.within(&guard), id, &patch).await?;
    Ok(Json(R::show(row, &guard)))
}

async fn delete<R: Delete>(
    State(store): State<Store>,
    By(guard): By<<R as Delete>::By>,
    below: Below<R>,
    Named(id): Named<R>,
) -> Result<StatusCode> {
    service::delete::<R>(&store, &guard, &below.within(&guard), id).await?;
    Ok(StatusCode::NO_CONTENT)
}
