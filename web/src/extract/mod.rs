//! Taking requests apart: JSON bodies, ids in paths, queries and pages, each with errors that say what to change.

mod body;
mod page;
mod patch;
mod path;
mod query;
mod source;
mod words;

pub use body::{ApiJson, CheckedJson};
pub use page::ListQuery;
pub use patch::Patch;
pub use path::ApiPath;
pub use query::ApiQuery;
pub use source::{Source, TrustedProxies};
