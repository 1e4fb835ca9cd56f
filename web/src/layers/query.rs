//! No parameter of a query is ignored: one that the operation's document does not name is refused with those that it
//! names, and so is one that comes twice. A filter with a typing error would else show everything, and scripts
//! delete what a filtered list shows.

use super::context::{Named, Operations};
use crate::problem::{FieldError, Problem};
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Most faults that one answer tells.
const TOLD_MAX: usize = 16;

/// See the module.
pub async fn layer(State(operations): State<Arc<Operations>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let faults = match (operations.get(&(method.clone(), route.to_owned())), request.uri().query()) {
        (Some(operation), Some(query)) => faults(operation, query),
        _ => Vec::new(),
    };
    if faults.is_empty() { next.run(request).await } else { Problem::fields(faults).into_response() }
}

fn faults(operation: &Named, query: &str) -> Vec<FieldError> {
    let mut seen: Vec<String> = Vec::new();
    let mut faults = Vec::new();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        let fault = if !operation.query.iter().any(|known| *known == name) {
            let known = operation.query.join(", ");
            let text = match operation.query.is_empty() {
                true => "this operation has no query parameters; leave it out".to_owned(),
                false => format!("this operation has no such query parameter; it has {known}"),
            };
            Some(("parameter_unknown", text))
        } else if seen.iter().any(|before| *before == name) {
            Some(("parameter_repeated", "this parameter is given twice; give it once".to_owned()))
        } else {
            None
        };
        match fault {
            Some((rule, detail)) if faults.len() < TOLD_MAX => {
                let pointer = name.chars().take(64).collect();
                faults.push(FieldError { pointer, rule: rule.to_owned(), detail });
            }
            Some(_) => break,
            None => seen.push(name.into_owned()),
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_refused() {
        let list = Named { id: "network_list".into(), query: vec!["limit".into(), "name".into()] };
        let get = Named { id: "network_get".into(), query: Vec::new() };
        let rules = |operation: &Named, query: &str| {
            faults(operation, query).into_iter().map(|fault| (fault.pointer, fault.rule)).collect::<Vec<_>>()
        };
        assert!(rules(&list, "limit=1&name=a%3Db&").is_empty());
        assert!(rules(&list, "").is_empty() && rules(&get, "").is_empty());
        assert_eq!(rules(&list, "nmae=x&limit=1"), [("nmae".into(), "parameter_unknown".into())]);
        assert_eq!(rules(&list, "limit=1&limit=2"), [("limit".into(), "parameter_repeated".into())]);
        assert_eq!(rules(&get, "a=1"), [("a".into(), "parameter_unknown".into())]);
        assert_eq!(rules(&list, "li%6Dit=1&LIMIT=2"), [("LIMIT".into(), "parameter_unknown".into())]);
        assert_eq!(rules(&get, &"a=1&".repeat(1000)).len(), TOLD_MAX);
    }
}
