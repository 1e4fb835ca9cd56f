//! How a body may come: whole, and as it is.
//!
//! Nothing here takes encoded bodies or parts of one. What would be taken as it stands and mean something else
//! is refused before it is read: a part of a file (RFC 9110, section 14.5), and encoded content (section 8.4).

use crate::problem::{Problem, Rule};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets pass what comes whole and as it is.
pub async fn layer(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let is_encoded = request.headers().contains_key(CONTENT_ENCODING);
            let mut response = problem.into_response();
            if is_encoded {
                // RFC 9110, section 15.5.16: what would have been taken.
                response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            response
        }
    }
}

fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let is_plain =
        |coding: &[u8]| matches!(coding.trim_ascii(), b"") || coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    if !codings.into_iter().all(is_plain) {
        let text = "bodies are taken as they are: send the content decoded and without Content-Encoding";
        return Err(Problem::refuse(Rule::ContentEncoded, text));
    }
    if headers.contains_key(CONTENT_RANGE) {
        let text = "bodies are taken whole: send all of it and no Content-Range; an upload that broke off is made again from the start";
        return Err(Problem::refuse(Rule::BodyPartial, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    #[test]
    fn only_whole_and_plain_bodies_pass() {
        let asked = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            check(&headers).err().map(|problem| problem.kind())
        };
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("content-encoding", "identity")]), None);
        assert_eq!(asked(&[("content-encoding", "")]), None);
        for coding in ["gzip", "GZIP", "identity, gzip", "br", "x-unknown"] {
            assert_eq!(asked(&[("content-encoding", coding)]), Some(Kind::UnsupportedMediaType), "{coding}");
        }
        let twice = [("content-encoding", "identity"), ("content-encoding", "zstd")];
        assert_eq!(asked(&twice), Some(Kind::UnsupportedMediaType));
        assert_eq!(asked(&[("content-range", "bytes 5-9/10")]), Some(Kind::BadRequest));
        assert_eq!(asked(&[("content-range", "bytes 0-9/10")]), Some(Kind::BadRequest));
    }
}
