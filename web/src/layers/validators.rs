//! `ETag`, `If-None-Match` and `If-Match`.
//!
//! The tag of a resource is `"GENERATION-HASH"`: the hash is over what is shown, so that the tag is a
//! strong one; the generation grows with each change of what is *wanted*. `If-Match` compares the
//! generation only, under the row's lock: an instance that began to run meanwhile is no reason to refuse
//! a change, another's change is. An operation that does not compare refuses `If-Match` instead of
//! ignoring it.

use crate::problem::{Plain, Problem, Rule};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::GetAll;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use iroko_store::request;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Larger answers have no tag.
const TAGGED_MAX_BYTES: usize = 4 << 20;

#[derive(Debug, Default, Deserialize)]
struct Shown {
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(default)]
    generation: Option<i64>,
}

/// See the module.
pub async fn layer(request: Request, next: Next) -> Response {
    // A method that is not offered here is no change: the router says so.
    if let Some(change) = request::current().filter(|current| current.is_change) {
        if request.headers().contains_key(header::IF_MATCH) {
            let header = request.headers().get_all(header::IF_MATCH);
            match generations(header) {
                Ok(Some(generations)) => change.expect(generations),
                Ok(None) => {}
                Err(problem) => return problem.into_response(),
            }
        }
        let (path, is_post) = (request.uri().path().to_owned(), request.method() == Method::POST);
        let response = next.run(request).await;
        return match response.status() {
            StatusCode::CREATED | StatusCode::OK if is_json(response.headers()) => {
                let made = (is_post && response.status() == StatusCode::CREATED).then_some(path);
                written(response, made).await
            }
            _ => response,
        };
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let seen = request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !is_json(response.headers()) {
        return response;
    }
    tagged(response, &seen).await
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// The answer to a write says which tag `GET` would give, and where what was made is.
async fn written(response: Response, made_at: Option<String>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return Problem::new(Plain::Internal).into_response() };
    let shown = serde_json::from_slice::<Shown>(&bytes).unwrap_or_default();
    if shown.generation.is_some()
        && let Ok(tag) = HeaderValue::from_str(&tag_of(&shown, &bytes))
    {
        parts.headers.insert(header::ETAG, tag);
    }
    let place = made_at.zip(shown.id).map(|(path, id)| format!("{}/{id}", path.trim_end_matches('/')));
    if let Some(place) = place.and_then(|place| HeaderValue::from_str(&place).ok()) {
        parts.headers.entry(header::LOCATION).or_insert(place);
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn tag_of(shown: &Shown, bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    format!("\"{}-{}\"", shown.generation.unwrap_or(0), crate::hex(&hash[..12]))
}

async fn tagged(response: Response, seen: &[HeaderValue]) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return Problem::new(Plain::Internal).into_response() };
    if bytes.len() > TAGGED_MAX_BYTES {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let tag = tag_of(&serde_json::from_slice(&bytes).unwrap_or_default(), &bytes);
    let known = seen.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    parts.headers.append(header::VARY, HeaderValue::from_static("authorization, cookie, accept-language"));
    if known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Most tags that an `If-Match` may list.
const TAGS_MAX: usize = 32;

/// The generations in an `If-Match`, which lists tags (RFC 9110, section 13.1.1); `None` for `*`, which any resource
/// matches. What is compared is the generation, so that a tag made weak by a proxy that compresses counts as the tag.
fn generations(headers: GetAll<'_, HeaderValue>) -> Result<Option<Vec<i64>>, Problem> {
    let refused = || {
        let text = "If-Match is one ETag or more as GET gave them, separated by commas, or *; get the resource again";
        Problem::refuse(Rule::IfMatchUnreadable, text)
    };
    let mut found = Vec::new();
    for tag in headers.iter().flat_map(|header| header.to_str().unwrap_or("?").split(',')).map(str::trim) {
        if tag == "*" {
            return Ok(None);
        }
        if tag.is_empty() {
            continue;
        }
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).filter(|tag| !tag.contains('"'));
        let generation = tag.and_then(|tag| tag.split_once('-')).and_then(|(generation, _)| generation.parse().ok());
        found.push(generation.ok_or_else(refused)?);
    }
    if found.is_empty() || found.len() > TAGS_MAX { Err(refused()) } else { Ok(Some(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    #[test]
    fn tags_are_read() {
        let read = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(header::IF_MATCH, HeaderValue::from_str(text).unwrap());
            }
            generations(headers.get_all(header::IF_MATCH))
        };
        assert_eq!(read(&["\"12-00ff\""]).unwrap(), Some(vec![12]));
        assert_eq!(read(&["W/\"12-00ff\""]).unwrap(), Some(vec![12]));
        assert_eq!(read(&["\"1-a\", W/\"2-b\",,", "\"3-c\""]).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(read(&["*"]).unwrap(), None);
        for bad in ["12-00ff", "\"x-1\"", "w/\"12-00ff\"", "\"1-a\" \"2-b\"", "\"\"", "", ","] {
            assert_eq!(read(&[bad]).map_err(|problem| problem.kind()), Err(Kind::PreconditionFailed), "{bad}");
        }
        assert!(read(&["\"1-a\","; 33]).is_err());
    }
}
