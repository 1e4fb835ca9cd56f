//! What every operation does the same way, present and future: no handler repeats it.
//!
//! ```text
//!   request ─> compression ─> context ─> caller ─> rate ─> time bound ─> body ─> panics ─> query ─> validators ─┐
//!                                          handler <─ idempotency <─ guard <────────────────────────────┘
//! ```
//!
//! [`context`]: id, language, trace, security headers, the audit record of what was refused.
//! [`body`]: bodies come whole and as they are. [`caller`]: who asks, once. [`rate`]: how often. [`query`]: no parameter that the operation does not know.
//! [`validators`]: `ETag`, `If-None-Match`, `If-Match`. The guard and [`idempotency`] (what must not happen twice)
//! stand around each operation by itself ([`crate::extract::gate`]): nothing is answered before the guard.

pub mod body;
pub mod caller;
pub mod context;
pub mod idempotency;
pub mod query;
pub mod rate;
pub mod trace;
pub mod validators;

use crate::App;
use crate::problem::{Kind, Problem};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use context::Operations;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Longest request, uploads and streams apart.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Shorter answers are not worth compressing.
const COMPRESSED_MIN_BYTES: u64 = 860;

/// Puts the layers of the REST API around its routes. `operations`: names of the operations.
pub fn rest(router: Router, app: &App, operations: Operations) -> Router {
    let compressed = SizeAbove::new(COMPRESSED_MIN_BYTES).and(NotForContentType::new("text/event-stream"));
    let operations = Arc::new(operations);
    router
        .layer(from_fn(validators::layer))
        .layer(from_fn_with_state(operations.clone(), query::layer))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(body::layer))
        .layer(from_fn(bounded))
        .layer(from_fn_with_state(app.clone(), rate::layer))
        .layer(from_fn_with_state(app.clone(), caller::layer))
        .layer(from_fn_with_state((app.clone(), operations), context::layer))
        .layer(CompressionLayer::new().compress_when(compressed))
}

/// Puts the layers of the agent link around its routes.
pub fn agents(router: Router, app: &App) -> Router {
    let none = Arc::new(Operations::default());
    router
        .layer(from_fn(body::layer))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(agent_bounded))
        .layer(from_fn_with_state((app.clone(), none), context::agent_layer))
}

fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(cause = text.unwrap_or("unknown"), request_id = %crate::problem::request_id(), "a handler panicked");
    Problem::new(Kind::Internal).into_response()
}

/// Bounds the time of what agents tell; long polls and images are asked for by GET and have bounds of their own.
async fn agent_bounded(request: Request, next: Next) -> Response {
    if request.method() == axum::http::Method::GET {
        return next.run(request).await;
    }
    within_time(request, next).await
}

async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::Timeout).into_response(),
    }
}

/// Bounds the time of every request but uploads, which are bounded by their own silence.
async fn bounded(request: Request, next: Next) -> Response {
    if request.method() == axum::http::Method::PUT {
        return next.run(request).await;
    }
    within_time(request, next).await
}
