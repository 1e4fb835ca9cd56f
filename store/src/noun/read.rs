//! Reading rows of a noun, and deleting one.

use super::{By, COMMON, Listing, Noun, Of, Sort, Value, Within};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::page::{Page, PageQuery};
use crate::request;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe, Encode, Postgres, Type};
use uuid::Uuid;

/// A statement in the making: its text and what its parameters are.
#[derive(Default)]
pub(super) struct Statement {
    pub(super) text: String,
    arguments: PgArguments,
}

impl Statement {
    /// Adds a parameter and returns its number in the text.
    pub(super) fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres>>(&mut self, value: T) -> Result<String> {
        self.arguments.add(value).map_err(|source| Error::Corrupt { column: "a parameter", source })?;
        Ok(format!("${}", self.arguments.len()))
    }

    /// `AND` each column is what it must be.
    fn within(&mut self, within: &Within) -> Result<()> {
        for (column, id) in within.columns() {
            let number = self.bind(*id)?;
            self.text += &format!(" AND n.{column} = {number}");
        }
        Ok(())
    }

    pub(super) async fn optional<N: Noun>(self, conn: &mut Conn) -> Result<Option<N>> {
        Ok(sqlx::query_as_with(AssertSqlSafe(self.text), self.arguments).fetch_optional(conn).await?)
    }

    async fn all<N: Noun>(self, conn: &mut Conn) -> Result<Vec<N>> {
        Ok(sqlx::query_as_with(AssertSqlSafe(self.text), self.arguments).fetch_all(conn).await?)
    }

    async fn number(self, conn: &mut Conn) -> Result<i64> {
        Ok(sqlx::query_scalar_with(AssertSqlSafe(self.text), self.arguments).fetch_one(conn).await?)
    }

    async fn count(self, conn: &mut Conn) -> Result<u64> {
        Ok(sqlx::query_with(AssertSqlSafe(self.text), self.arguments).execute(conn).await?.rows_affected())
    }
}

/// What a row is read from.
pub(super) fn columns<N: Noun>() -> String {
    let (name, more) = (N::NAME, N::COLUMNS);
    let comma = if more.is_empty() { "" } else { ", " };
    format!("{COMMON}, n.{name} AS name{comma}{more}")
}

fn select<N: Noun>() -> String {
    format!("SELECT {} FROM {} n{}", columns::<N>(), N::TABLE, N::JOINS)
}

fn one<N: Noun>(within: &Within, id: N::Id, end: &str) -> Result<Statement> {
    let mut statement = Statement::default();
    let number = statement.bind::<Uuid>(id.into())?;
    statement.text = format!("{} WHERE {} AND n.id = {number}", select::<N>(), N::PRESENT);
    statement.within(within)?;
    statement.text += end;
    Ok(statement)
}

/// One row.
pub async fn get<N: Noun>(conn: &mut Conn, within: &Within, id: N::Id) -> Result<Option<N>> {
    one::<N>(within, id, "")?.optional(conn).await
}

/// One row, as it is until the transaction ends. [`Error::Changed`] where the caller has seen another generation
/// (`If-Match`).
pub async fn lock<N: Noun>(conn: &mut Conn, within: &Within, id: N::Id) -> Result<Option<N>> {
    let row = one::<N>(within, id, " FOR NO KEY UPDATE OF n")?.optional::<N>(conn).await?;
    if let Some(row) = &row {
        request::compare(row.common().generation)?;
    }
    Ok(row)
}

/// Compares what the caller has seen (`If-Match`), where they said it and nobody has compared yet: [`lock`] then, else nothing.
pub async fn compare<N: Noun>(conn: &mut Conn, within: &Within, id: N::Id) -> Result<()> {
    if request::compares() {
        lock::<N>(conn, within, id).await?;
    }
    Ok(())
}

/// Deletes a row; false where there was none. [`Error::InUse`] where others refer to it, [`Error::Changed`] as in [`lock`].
pub async fn delete<N: Noun>(conn: &mut Conn, within: &Within, id: N::Id) -> Result<bool> {
    compare::<N>(&mut *conn, within, id).await?;
    let mut statement = Statement::default();
    let number = statement.bind::<Uuid>(id.into())?;
    statement.text = format!("DELETE FROM {} n WHERE n.id = {number}", N::TABLE);
    statement.within(within)?;
    Ok(statement.count(conn).await? == 1)
}

/// A page of rows, and how many there are in all, where that was asked for.
pub async fn page<N: Noun>(conn: &mut Conn, within: &Within, listing: &Listing) -> Result<(Page<N>, Option<i64>)> {
    let total = match listing.total {
        true => {
            let mut count = Statement { text: format!("SELECT count(*) FROM {} n", N::TABLE), ..Statement::default() };
            conditions::<N>(&mut count, within, listing)?;
            Some(count.number(&mut *conn).await?)
        }
        false => None,
    };
    let mut rows = Statement { text: select::<N>(), ..Statement::default() };
    conditions::<N>(&mut rows, within, listing)?;
    place::<N>(&mut rows, listing)?;
    let limit = rows.bind(i64::from(listing.page.limit) + 1)?;
    let name = N::NAME;
    rows.text += &match listing.sort {
        Sort::Oldest => format!(" ORDER BY n.id LIMIT {limit}"),
        Sort::Newest => format!(" ORDER BY n.id DESC LIMIT {limit}"),
        Sort::Name => format!(" ORDER BY n.{name}, n.id LIMIT {limit}"),
        Sort::NameBackwards => format!(" ORDER BY n.{name} DESC, n.id DESC LIMIT {limit}"),
    };
    let rows = rows.all::<N>(conn).await?;
    Ok((Page::cut(rows, listing.page, |row| row.common().id.into()), total))
}

/// The rows of a page of ids, which another statement has chosen.
pub async fn rows<N: Noun>(conn: &mut Conn, ids: Page<Uuid>) -> Result<Page<N>> {
    let limit = i32::try_from(ids.items.len()).unwrap_or(i32::MAX);
    let listing = Listing { ids: Some(ids.items), ..Listing::of(PageQuery { limit, after: None }) };
    let (rows, _) = page::<N>(conn, &Within::system(), &listing).await?;
    Ok(Page { items: rows.items, next: ids.next })
}

fn conditions<N: Noun>(statement: &mut Statement, within: &Within, listing: &Listing) -> Result<()> {
    statement.text += &format!(" WHERE {}", N::PRESENT);
    statement.within(within)?;
    let name = N::NAME;
    if let Some(wanted) = &listing.name {
        let number = statement.bind(wanted.clone())?;
        statement.text += &format!(" AND n.{name} = {number}");
    }
    if let Some(part) = &listing.name_contains {
        let number = statement.bind(part.clone())?;
        statement.text += &format!(" AND position(lower({number}) IN lower(n.{name})) > 0");
    }
    if let Some(labels) = &listing.labels {
        let number = statement.bind(labels.clone())?;
        statement.text += &format!(" AND n.labels @> {number}");
    }
    if let Some(ids) = &listing.ids {
        let number = statement.bind(ids.clone())?;
        statement.text += &format!(" AND n.id = ANY ({number})");
    }
    for (index, value) in &listing.by {
        let Some(by) = N::FILTERS.get(*index) else { continue };
        let number = match value {
            Value::Id(id) => statement.bind(*id)?,
            Value::Word(word) => statement.bind(word.clone())?,
            Value::Flag(flag) => statement.bind(*flag)?,
            Value::Number(number) => statement.bind(*number)?,
        };
        statement.text += &format!(" AND ({})", by.condition.replace('$', &number));
    }
    Ok(())
}

/// `AND` behind the last row of the page before.
fn place<N: Noun>(statement: &mut Statement, listing: &Listing) -> Result<()> {
    let Some(after) = listing.page.after else { return Ok(()) };
    let id = statement.bind(after)?;
    let behind = match listing.sort {
        Sort::Oldest => format!(" AND n.id > {id}"),
        Sort::Newest => format!(" AND n.id < {id}"),
        Sort::Name | Sort::NameBackwards => {
            let name = statement.bind(listing.after_name.clone().unwrap_or_default())?;
            let than = if listing.sort == Sort::Name { '>' } else { '<' };
            format!(" AND (n.{}, n.id) {than} ({name}, {id})", N::NAME)
        }
    };
    statement.text += &behind;
    Ok(())
}

/// Every form of statement of a noun, for a test that prepares them.
///
/// # Errors
/// Where a parameter cannot be encoded, which none can.
pub fn statements<N: Noun>(within: &Within) -> Result<Vec<String>> {
    let id: N::Id = Uuid::nil().into();
    let mut texts = vec![one::<N>(within, id, "")?.text, one::<N>(within, id, " FOR NO KEY UPDATE OF n")?.text];
    for sort in [Sort::Oldest, Sort::Newest, Sort::Name, Sort::NameBackwards] {
        let listing = every_filter::<N>(sort);
        let mut rows = Statement { text: select::<N>(), ..Statement::default() };
        conditions::<N>(&mut rows, within, &listing)?;
        place::<N>(&mut rows, &listing)?;
        texts.push(rows.text);
    }
    Ok(texts)
}

fn every_filter<N: Noun>(sort: Sort) -> Listing {
    let value = |by: &By| match by.of {
        Of::Id => Value::Id(Uuid::nil()),
        Of::Word(_) => Value::Word(String::new()),
        Of::Flag => Value::Flag(true),
        Of::Number { .. } => Value::Number(0),
    };
    Listing {
        sort,
        name: Some(String::new()),
        name_contains: Some(String::new()),
        labels: Some(serde_json::json!({})),
        ids: Some(Vec::new()),
        by: N::FILTERS.iter().map(value).enumerate().collect(),
        ..Listing::of(PageQuery { limit: 1, after: Some(Uuid::nil()) })
    }
}
