//! What a request carries with it from the first line to the last: id, language, trace, who asks and for
//! what. Sets the headers that every answer has, counts, and records what was refused.

use super::trace::Trace;
use crate::App;
use crate::extract::Source;
use crate::problem::{REQUEST, RequestContext};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use iroko_store::request;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// Answers of the API hold no page: nothing in them may be run, framed or sent elsewhere. `/docs` is a
/// page, and all of it comes from here.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

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

/// See the module.
pub async fn layer(State((app, operations)): State<(App, Arc<Operations>)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let source = Source::from_request_parts(&mut parts, &app).await.map(|source| source.address.to_string()).ok();
    let route = parts.extensions.get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let named = operations.get(&(parts.method.clone(), route.clone())).map(|operation| operation.id.clone());
    let is_change = named.is_some() && !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let operation = named.unwrap_or_else(|| route.clone());
    let is_docs = parts.uri.path().starts_with("/docs");
    let context = request_context(&parts.headers);
    let about = Arc::new(request::Request::new(context.id.clone(), operation, source, is_change));
    about.set_system(route.starts_with("/v1/system/"));
    let request = Request::from_parts(parts, body);
    let answered = request::within(about.clone(), answer(context, route, request, next));
    let mut response = answered.await;
    let status = response.status();
    // What nobody asks changes nothing and would be kept for ever: it is counted, not recorded.
    if is_change && !about.is_recorded() && about.who().is_some() {
        record(&app, &about, status).await;
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, if is_docs { DOCS_POLICY } else { POLICY });
    response
}

/// The agents' side has no operations to record, and no browsers.
pub async fn agent_layer(_: State<(App, Arc<Operations>)>, request: Request, next: Next) -> Response {
    let context = request_context(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    answer(context, route, request, next).await
}

/// Records a request whose effect, if any, no commit has recorded.
async fn record(app: &App, about: &request::Request, status: StatusCode) {
    let outcome = match status.as_u16() {
        200..=399 => "done",
        // Asked too often, or the service's own fault before anything began: nobody acted.
        429 | 503 => return,
        400..=499 => "refused",
        _ => "failed",
    };
    let is_over = || about.who().is_some_and(|who| !app.rates.may_record(who.id, app.config.rate));
    if outcome == "refused" && is_over() {
        metrics::counter!("iroko_audit_refusals_not_recorded_total").increment(1);
        return;
    }
    let done = async {
        let mut conn = app.store.connection().await?;
        request::record_outcome(&mut conn, about, outcome, status.as_u16()).await
    };
    if let Err(error) = done.await {
        tracing::error!(error = %iroko_daemon::chain(&error), request_id = about.id, operation = about.operation, outcome, "the audit record could not be written");
    }
}

fn request_context(headers: &HeaderMap) -> RequestContext {
    RequestContext { id: request_id(headers), french: prefers_french(headers) }
}

/// Answers within the request's context, counts, and sets the headers every answer has.
async fn answer(context: RequestContext, route: String, request: Request, next: Next) -> Response {
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
