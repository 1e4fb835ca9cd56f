//! What the operations on nouns do alike, written once: list, show, create, change and delete, from the route to the row.
//!
//! A noun says who it is ([`Resource`]) and writes out what only it knows: how a row is made ([`Create`]) and changed
//! ([`Change`]), and why one cannot go ([`Delete`]). [`Routes`] puts guards around the operations and writes them into the
//! API's document; the use cases are in [`service`] and take no part of a request, so that a second facade can call them.
//!
//! A change is a merge patch (RFC 7396) of what may change of a noun: the settings as they are, with the patch over them, are
//! read and checked as a whole. What is absent stays, null takes away what may be absent.

mod document;
mod list;
mod place;
mod query;
mod routes;
pub mod service;

pub use list::{ListOf, shown};
pub use place::Place;
pub use routes::Routes;

use crate::extract::Guard;
use iroko_model::{Naming, OrganizationId, ProjectId};
use iroko_store::noun::{self, Common, Noun, Within};
use iroko_store::{Error, Tx};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::fault::Checked;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// The words of a noun.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// In operation ids: `qos_policy`.
    pub id: &'static str,
    /// One of them, with its article: `a QoS policy`.
    pub a: &'static str,
    /// Several: `QoS policies`. Also the tag in the document, with a capital letter.
    pub many: &'static str,
    /// The tag in the document.
    pub tag: &'static str,
}

impl Words {
    /// One of them, without an article.
    pub fn one(&self) -> &'static str {
        self.a.split_once(' ').map_or(self.a, |(_, one)| one)
    }
}

/// A noun of the API.
pub trait Resource: Send + Sync + 'static {
    /// Its row.
    type Row: Noun + Send + Sync;
    /// What is shown.
    type Shown: Serialize + ToSchema + Send + 'static;
    /// Who may see it.
    type Read: Guard + Place;

    /// Its words.
    const WORDS: Words;
    /// The path of the list: `/v1/projects/{project_id}/qos-policies`.
    const PATH: &'static str;
    /// The path of one, below the list, is the parameter of this name.
    const PARAMETER: &'static str;
    /// The path where it is written, where that is another.
    const WRITTEN_AT: &'static str = Self::PATH;
    /// What the document says of the noun besides.
    const ABOUT: &'static str = "";

    /// As it is shown to somebody who was let in there.
    fn show(row: Self::Row, to: &dyn Place) -> Self::Shown;
}

/// A noun that people make.
pub trait Create: Resource {
    /// What is asked for.
    type Request: DeserializeOwned + Checked + ToSchema + Send + 'static;
    /// Who may make one.
    type By: Guard + Place;
    /// The piece of the state that making one needs besides the transaction; [`iroko_store::Store`] where none.
    type Needs: Clone + Send + Sync + 'static;
    /// The quota of how many there may be.
    const QUOTA: Option<&'static str> = None;
    /// What the document says of it.
    const CREATE: &'static str;

    /// Makes one. Quota and place were asked before, commit and answer come after.
    fn create(
        tx: &mut Tx,
        within: &Within,
        needs: &Self::Needs,
        request: Self::Request,
    ) -> impl Future<Output = Result<Self::Row>> + Send;
}

/// A noun that people change.
pub trait Change: Resource {
    /// What may change, as a whole.
    type Settings: Serialize + DeserializeOwned + Checked + ToSchema + Send + 'static;
    /// Who may change one.
    type By: Guard + Place;
    /// Name of the merge patch in the document: `QosPolicyUpdate`.
    const UPDATE: &'static str;
    /// What the document says of it.
    const CHANGE: &'static str = "";

    /// The settings of a row.
    fn settings(row: &Self::Row) -> Result<Self::Settings>;

    /// Gives a row, which is locked, other settings.
    fn change(
        tx: &mut Tx,
        by: &Self::By,
        within: &Within,
        row: Self::Row,
        to: Self::Settings,
    ) -> impl Future<Output = Result<Self::Row>> + Send;
}

/// A noun that people delete.
pub trait Delete: Resource {
    /// Who may delete one.
    type By: Guard + Place;
    /// What the document says of it.
    const DELETE: &'static str = "";

    /// Why it cannot go, where something still uses it.
    fn used(
        tx: &mut Tx,
        by: &Self::By,
        within: &Within,
        id: <Self::Row as Noun>::Id,
    ) -> impl Future<Output = Result<Option<Problem>>> + Send {
        let _ = (tx, by, within, id);
        async { Ok(None) }
    }

    /// What is said where a row refers to it since [`Self::used`] looked, or of which that knows nothing.
    fn in_use() -> Problem {
        let text = format!("something still uses this {}; delete that first", Self::WORDS.one());
        Problem::with(Kind::Conflict, text).rule("in_use")
    }

    /// Deletes the row, with what goes with it; false where there is none.
    fn delete(tx: &mut Tx, within: &Within, id: <Self::Row as Noun>::Id) -> impl Future<Output = Result<bool>> + Send {
        async move { noun::delete::<Self::Row>(tx, within, id).await.map_err(Self::kept) }
    }

    /// Why a row was not deleted.
    fn kept(error: Error) -> Problem {
        match error {
            Error::InUse(_) => Self::in_use(),
            error => error.into(),
        }
    }
}

/// A row whose text no longer fits today's rules: what is stored of it.
///
/// # Errors
/// Always one of the service: a row is checked when it is written.
pub fn stored<T, E: std::error::Error + 'static>(read: std::result::Result<T, E>) -> Result<T> {
    read.map_err(|error| Problem::internal(&error))
}

/// What people wrote on a row.
///
/// # Errors
/// As [`stored`].
pub fn naming<Id>(row: &Common<Id>) -> Result<Naming> {
    Ok(Naming {
        name: stored(row.name.clone().try_into())?,
        description: stored(row.description.clone().try_into())?,
        labels: stored(row.labels.clone().try_into())?,
    })
}

/// The project whose rows are asked for.
///
/// # Errors
/// Where they are no project's, which no route of a project's noun asks for.
pub fn owner(within: &Within) -> Result<ProjectId> {
    within.owner_project().ok_or_else(missing)
}

/// The organization whose rows are asked for.
///
/// # Errors
/// Where they are no organization's.
pub fn owner_organization(within: &Within) -> Result<OrganizationId> {
    within.owner_organization().ok_or_else(missing)
}

/// The row is not there, or is nobody's business here.
pub fn missing() -> Problem {
    Problem::new(Kind::NotFound)
}
