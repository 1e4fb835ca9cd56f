//! Pages of a list: keyset by id, which is the order of creation.

use serde_json::Value;
use uuid::Uuid;

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy)]
pub struct PageQuery {
    /// Most items, 1 to 1000.
    pub limit: i32,
    /// Items after this id; `None`: from the start.
    pub after: Option<Uuid>,
}

/// Which items of a list are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only items of this name.
    pub name: Option<String>,
    /// Only items with all of these labels, a JSON object.
    pub labels: Option<Value>,
}

/// One page.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Ask for the next page after this id; `None`: this was the last.
    pub next: Option<Uuid>,
}

impl<T> Page<T> {
    /// Makes a page of `rows`, read with a limit one larger than asked.
    pub(crate) fn cut(mut rows: Vec<T>, query: PageQuery, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(id);
        Self { items: rows, next }
    }

    /// The same page of something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
