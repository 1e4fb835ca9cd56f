//! What a request carries with it from the first line to the last: id, language, trace. Sets the headers that every answer
//! has, and counts.

use super::trace::Trace;
use crate::problem::{REQUEST, RequestContext};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::HashMap;
use std::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// The operations by method and path template, from the OpenAPI document.
pub type Operations = HashMap<(Method, String), Named>;

/// What the layers know of an operation.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its `operationId`.
    pub id: String,
    /// Names of its query parameters.
    pub query: Vec<String>,
}

/// The agents' side has no operations to record, and no browsers.
pub async fn agent_layer(request: Request, next: Next) -> Response {
    let context = request_context(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    answer(context, route, request, next).await
}

/// Id and language of a request.
pub fn request_context(headers: &HeaderMap) -> RequestContext {
    RequestContext { id: request_id(headers), french: prefers_french(headers) }
}

/// Answers within the request's context, counts, and sets the headers every answer has.
pub async fn answer(context: RequestContext, route: String, request: Request, next: Next) -> Response {
    let id = context.id.clone();
    let trace = Trace::of(request.headers());
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        id,
        trace_id = trace.trace_id,
        span_id = trace.span_id,
        method = method_label(&method),
        route
    );
    let began = Instant::now();
    let mut response = REQUEST.scope(context, next.run(request).instrument(span)).await;
    let labels = [
        ("method", method_label(&method).to_owned()),
        ("route", route),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::counter!("iroko_http_requests_total", &labels).increment(1);
    metrics::histogram!("iroko_http_request_seconds", &labels[..2]).record(began.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    for (name, value) in [(REQUEST_ID, id), (TRACE_RESPONSE, trace.response())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A method as a label: those there are, so that nobody makes time series by inventing some.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The caller's own id where it is short and plain, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain =
        sent.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    plain.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// True where the first language that is English or French in `Accept-Language`, by weight, is French.
fn prefers_french(headers: &HeaderMap) -> bool {
    let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let weighed = header.split(',').filter_map(|part| {
        let (language, parameters) = part.trim().split_once(';').unwrap_or((part.trim(), ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).ok()?;
        let primary = language.split('-').next().unwrap_or("").to_ascii_lowercase();
        matches!(primary.as_str(), "fr" | "en").then_some((primary == "fr", weight))
    });
    let best = weighed.fold((false, 0.0), |best, next| if next.1 > best.1 { next } else { best });
    best.0
}
