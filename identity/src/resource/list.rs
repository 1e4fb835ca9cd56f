//! Lists: the query of one, and a page as it is shown.

use super::document;
use super::query::listing_of;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iroko_store::Page;
use iroko_store::noun::{Listing, Noun, Sort};
use iroko_web::problem::{Problem, Result};
use iroko_wire::List;
use iroko_wire::page::{Place as After, cursor};
use std::marker::PhantomData;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

/// The query of a list of a noun: page, order, filters. In the API's document, `params(ListOf<Row>)`.
#[derive(Debug)]
pub struct ListOf<N>(pub Listing, pub(super) PhantomData<fn() -> N>);

impl<N: Noun, S: Send + Sync> FromRequestParts<S> for ListOf<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(listing_of::<N>(parts.uri.query().unwrap_or(""))?, PhantomData))
    }
}

impl<N: Noun> IntoParams for ListOf<N> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        document::filters::<N>()
    }
}

/// A page as it is shown.
pub fn shown<N: Noun, T>(
    listing: &Listing,
    (page, total): (Page<N>, Option<i64>),
    show: impl FnMut(N) -> T,
) -> List<T> {
    let by_name = matches!(listing.sort, Sort::Name | Sort::NameBackwards);
    let last = page.items.last().map(|row| row.common().name.clone()).filter(|_| by_name);
    let next_cursor = page.next.map(|id| cursor(&After { id, name: last }));
    List { items: page.items.into_iter().map(show).collect(), next_cursor, total }
}
