//! Making and changing a row of a noun.

use super::Noun;
use super::read::{Statement, columns};
use crate::conn::Conn;
use crate::error::{Error, Result};
use iroko_model::Naming;
use sqlx::{Encode, Postgres, Type};
use uuid::Uuid;

/// Columns of a row that is made or changed, and their values.
#[derive(Default)]
pub struct Columns {
    statement: Statement,
    names: Vec<&'static str>,
    values: Vec<String>,
}

impl Columns {
    /// A column and its value.
    ///
    /// # Errors
    /// Where the value cannot be encoded.
    pub fn set<'q, T: Encode<'q, Postgres> + Type<Postgres>>(mut self, name: &'static str, value: T) -> Result<Self> {
        let number = self.statement.bind(value)?;
        self.names.push(name);
        self.values.push(number);
        Ok(self)
    }

    /// What people write on a noun.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn naming(self, naming: &Naming) -> Result<Self> {
        self.set("name", naming.name.as_str().to_owned())?
            .set("description", naming.description.as_str().to_owned())?
            .set("labels", serde_json::json!(naming.labels))
    }
}

/// Makes a row. [`Error::Taken`] where a name or value must be unique and is not.
pub async fn insert<N: Noun>(conn: &mut Conn, id: N::Id, row: Columns) -> Result<N> {
    let row = row.set::<Uuid>("id", id.into())?;
    let Columns { mut statement, names, values } = row;
    let (names, values) = (names.join(", "), values.join(", "));
    statement.text = format!("INSERT INTO {} AS n ({names}) VALUES ({values}) RETURNING {}", N::TABLE, columns::<N>());
    statement.optional(conn).await?.ok_or(Error::Changed)
}

/// Changes a row, whose generation grows. [`Error::Changed`] where it is gone meanwhile.
pub async fn update<N: Noun>(conn: &mut Conn, id: N::Id, row: Columns) -> Result<N> {
    let Columns { mut statement, names, values } = row;
    let pairs: Vec<String> = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
    let number = statement.bind::<Uuid>(id.into())?;
    statement.text = format!(
        "UPDATE {} n SET {}, generation = n.generation + 1 WHERE n.id = {number} RETURNING {}",
        N::TABLE,
        pairs.join(", "),
        columns::<N>()
    );
    statement.optional(conn).await?.ok_or(Error::Changed)
}
