//! What is alike in every noun's table: one row by its id, pages with filters, deletion, generations.
//!
//! A noun says what differs ([`Noun`]): its table, its columns, whose its rows are, what lists may be filtered by. The SQL is
//! built from that, always in the same form for the same question, so that PostgreSQL plans it once a connection; a test
//! prepares each statement of each noun against the schema. Nothing of a caller is ever part of a statement's text.

mod list;
mod read;
mod write;

pub use list::{By, Listing, Of, Sort, Value};
pub use read::{compare, delete, get, lock, page, statements};
pub use write::{Columns, insert, update};

use crate::tx::Bound;
use iroko_model::{OrganizationId, ProjectId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

/// A table of rows that people make and see.
pub trait Noun: for<'r> FromRow<'r, PgRow> + Send + Unpin + 'static {
    /// Its id.
    type Id: Copy + Send + Sync + From<Uuid> + Into<Uuid>;

    /// The table.
    const TABLE: &'static str;
    /// What a row is read from, of the table under the name `n`, in the order of the struct; [`COMMON`] is read besides.
    const COLUMNS: &'static str;
    /// What stands behind the table, where columns are read from elsewhere too: joins that leave each row one row.
    const JOINS: &'static str = "";
    /// What lists may be filtered by, besides ids, names and labels: conditions of the table alone.
    const FILTERS: &'static [By] = &[];
    /// A condition that every row fulfils that is still there.
    const PRESENT: &'static str = "true";
    /// The column of its name.
    const NAME: &'static str = "name";

    /// What every noun has.
    fn common(&self) -> &Common<Self::Id>;
}

/// The columns that every noun has, of the table under the name `n`.
pub const COMMON: &str = "n.id, n.description, n.labels, n.generation, n.created_at, n.updated_at";

/// What every noun has.
#[derive(Debug, Clone)]
pub struct Common<Id> {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Grows with each change of what is wanted.
    pub generation: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

impl<'r, Id: From<Uuid>> FromRow<'r, PgRow> for Common<Id> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let labels: Json<BTreeMap<String, String>> = row.try_get("labels")?;
        Ok(Self {
            id: row.try_get::<Uuid, _>("id")?.into(),
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            labels: labels.0,
            generation: row.try_get("generation")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Whose rows are asked for, and below what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within {
    bound: Option<Owner>,
    /// Columns and what they must be.
    below: Vec<(&'static str, Uuid)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Project(ProjectId),
    Organization(OrganizationId),
}

impl Within {
    /// Rows of the whole system.
    pub const fn system() -> Self {
        Self { bound: None, below: Vec::new() }
    }

    /// Rows of a project.
    pub fn project(id: ProjectId) -> Self {
        Self { bound: Some(Owner::Project(id)), below: vec![("project_id", id.as_uuid())] }
    }

    /// Rows of an organization.
    pub fn organization(id: OrganizationId) -> Self {
        Self { bound: Some(Owner::Organization(id)), below: vec![("organization_id", id.as_uuid())] }
    }

    /// Of these only those below something: rules of a group, interfaces of a router.
    #[must_use]
    pub fn below(mut self, column: &'static str, id: Uuid) -> Self {
        self.below.push((column, id));
        self
    }

    /// What a transaction for them is bound to.
    pub fn bound(&self) -> Option<Bound> {
        self.bound.map(|owner| match owner {
            Owner::Project(id) => id.into(),
            Owner::Organization(id) => id.into(),
        })
    }

    /// The project whose rows they are.
    pub const fn owner_project(&self) -> Option<ProjectId> {
        match self.bound {
            Some(Owner::Project(id)) => Some(id),
            _ => None,
        }
    }

    /// The organization whose rows they are.
    pub const fn owner_organization(&self) -> Option<OrganizationId> {
        match self.bound {
            Some(Owner::Organization(id)) => Some(id),
            _ => None,
        }
    }

    /// The columns and what they must be.
    pub(crate) fn columns(&self) -> &[(&'static str, Uuid)] {
        &self.below
    }
}
