//! What a list is asked for.

use crate::page::{Filter, PageQuery};
use serde_json::Value as Json;
use uuid::Uuid;

/// Something that a list may be filtered by.
#[derive(Debug, Clone, Copy)]
pub struct By {
    /// The query's parameter, as the API calls it.
    pub name: &'static str,
    /// What it is.
    pub of: Of,
    /// The condition in SQL, `$` for the value, of the table under the name `n`.
    pub condition: &'static str,
    /// What the parameter does, for the API's document: "Only ...".
    pub about: &'static str,
}

/// What a filter compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// An id.
    Id,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Yes or no.
    Flag,
    /// A whole number from 0 on.
    Number {
        /// The largest.
        most: i64,
        /// What it is where the query does not say it.
        unless_given: i64,
    },
}

/// The value of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An id.
    Id(Uuid),
    /// A word.
    Word(String),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
}

/// The order of a list. Ids are in the order in which things were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Oldest first.
    #[default]
    Oldest,
    /// Newest first.
    Newest,
    /// By name, then age.
    Name,
    /// By name backwards.
    NameBackwards,
}

/// Which rows are asked for, in which order.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The page; its `after` is the id of the last row of the page before.
    pub page: PageQuery,
    /// The name of the last row of the page before, where they are sorted by it.
    pub after_name: Option<String>,
    /// The order.
    pub sort: Sort,
    /// Only this name.
    pub name: Option<String>,
    /// Only names in which this stands, in any case.
    pub name_contains: Option<String>,
    /// Only with all of these labels, a JSON object.
    pub labels: Option<Json>,
    /// Only these.
    pub ids: Option<Vec<Uuid>>,
    /// Filters by their place in [`super::Noun::FILTERS`].
    pub by: Vec<(usize, Value)>,
    /// Count all that fit, too.
    pub total: bool,
}

impl Listing {
    /// A page of everything.
    pub const fn of(page: PageQuery) -> Self {
        Self {
            page,
            after_name: None,
            sort: Sort::Oldest,
            name: None,
            name_contains: None,
            labels: None,
            ids: None,
            by: Vec::new(),
            total: false,
        }
    }

    /// A page of those that a plain filter lets through.
    pub fn filtered(page: PageQuery, filter: &Filter) -> Self {
        Self { name: filter.name.clone(), labels: filter.labels.clone(), ..Self::of(page) }
    }
}
