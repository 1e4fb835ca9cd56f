//! Who asks and for what, from the first line of a request to the last; the audit record of what was refused.

use crate::Identity;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use iroko_store::request;
use iroko_web::extract::Source;
use iroko_web::layers::context::{Operations, answer, request_context};
use std::sync::Arc;

/// Answers of the API hold no page: nothing in them may be run, framed or sent elsewhere. `/docs` is a
/// page, and all of it comes from here.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

/// See the module.
pub async fn layer(
    State((app, operations)): State<(Identity, Arc<Operations>)>,
    request: Request,
    next: Next,
) -> Response {
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

/// Records a request whose effect, if any, no commit has recorded.
async fn record(app: &Identity, about: &request::Request, status: StatusCode) {
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
