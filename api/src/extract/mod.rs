//! Taking requests apart: the actor and the guards, JSON bodies, path ids and pages, each with errors
//! that say what to change.

mod actor;
mod body;
mod guard;
mod page;
mod path;
mod query;
mod source;
mod words;

pub use actor::{Actor, Admission};
pub use body::ApiJson;
pub use guard::{
    AboveOrganization, AboveProject, Asks, Caller, Guard, Guarded, InOrganization, InProject, OnSystem, System, Tenant,
    Within, gate, guard_of, guarded_by,
};
pub use page::{ListParams, ListQuery, cursor_of};
pub use path::ApiPath;
pub use query::ApiQuery;
pub use source::Source;
