//! The list of a noun, as an argument of a handler and among the parameters of its operation: for lists that are written
//! out because whose rows they show, or what they depend on, is not alike.

use super::{document, listing_of};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iroko_store::Page;
use iroko_store::noun::{Listing, Noun, Sort};
use iroko_web::problem::{Problem, Result};
use iroko_wire::List;
use iroko_wire::page::{Place, cursor};
use std::fmt;
use std::marker::PhantomData;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

/// See the module.
pub struct Listed<N>(Listing, PhantomData<fn() -> N>);

impl<N> fmt::Debug for Listed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<N: Noun> Listed<N> {
    /// What is asked for.
    pub const fn listing(&self) -> &Listing {
        &self.0
    }

    /// The answer, from a page of rows and how many there are in all.
    pub fn answer<T>(&self, (page, total): (Page<N>, Option<i64>), show: impl FnMut(N) -> T) -> List<T> {
        let by_name = matches!(self.0.sort, Sort::Name | Sort::NameBackwards);
        let last = page.items.last().map(|row| row.common().name.clone()).filter(|_| by_name);
        let next_cursor = page.next.map(|id| cursor(&Place { id, name: last }));
        List { items: page.items.into_iter().map(show).collect(), next_cursor, total }
    }
}

impl<N: Noun, S: Send + Sync> FromRequestParts<S> for Listed<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(listing_of::<N>(parts.uri.query().unwrap_or(""))?, PhantomData))
    }
}

impl<N: Noun> IntoParams for Listed<N> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        document::filters::<N>()
    }
}
