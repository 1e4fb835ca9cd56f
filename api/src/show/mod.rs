//! Rows of the store as the API shows them.

pub mod action;
pub mod audit;
pub mod cloud_instance;
pub mod connection_log;
pub mod event;
pub mod host;
pub mod instance;
pub mod orphan;
pub mod port;
pub mod security_group_rule;
pub mod statistics;
pub mod stuck;

use iroko_model::reason::{Code, Reason};
use iroko_web::problem::in_its_language;

/// A reason as fields of an answer, in the language of the request.
pub fn told(reason: Option<Reason>) -> (Option<Code>, Option<String>) {
    reason.map(|reason| (reason.code, in_its_language(reason.text))).unzip()
}

/// A row that can be shown.
pub trait Show<T> {
    /// As the API shows it.
    fn show(self) -> T;
}
