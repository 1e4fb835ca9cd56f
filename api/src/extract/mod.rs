//! Taking requests apart: the actor, JSON bodies, path ids and pages, each with errors that say what
//! to change.

mod actor;
mod body;
mod page;
mod path;
mod query;
mod source;

pub use actor::{Actor, Operator, Tenant};
pub use body::ApiJson;
pub use page::{ListParams, ListQuery, cursor_of};
pub use path::ApiPath;
pub use query::ApiQuery;
pub use source::Source;
