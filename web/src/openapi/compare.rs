//! `If-Match` in the document: each operation whose service compares generations says so itself.

use super::header;
use utoipa::IntoParams;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};

const NAME: &str = "If-Match";

/// Among the parameters of an operation: it compares.
#[derive(Debug)]
pub struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "`ETag` of the resource as the caller has seen it; if it was changed since, nothing happens (412).";
        vec![header(NAME, about)]
    }
}

/// True where an operation says that it compares.
pub(super) fn shows(operation: &Operation) -> bool {
    let is = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == NAME);
    operation.parameters.iter().flatten().any(is)
}
