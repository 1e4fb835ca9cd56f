//! What stands around every operation, whoever asks.
//!
//! [`context`]: id, language, trace, security headers. [`body`]: bodies come whole and as they are. [`query`]: no parameter
//! that the operation does not know. [`validators`]: `ETag`, `If-None-Match`, `If-Match`.

pub mod body;
pub mod context;
pub mod query;
pub mod trace;
pub mod validators;

use crate::problem::{Plain, Problem};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

/// Longest request, uploads and streams apart.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Puts the layers of the agent link around its routes.
pub fn agents(router: Router) -> Router {
    router
        .layer(from_fn(body::layer))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(agent_bounded))
        .layer(from_fn(context::agent_layer))
}

/// Answers for a handler that panicked.
pub fn panicked(cause: Box<dyn std::any::Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(cause = text.unwrap_or("unknown"), request_id = %crate::problem::request_id(), "a handler panicked");
    Problem::new(Plain::Internal).into_response()
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
        Err(_) => Problem::new(Plain::Timeout).into_response(),
    }
}

/// Bounds the time of every request but uploads, which are bounded by their own silence.
pub async fn bounded(request: Request, next: Next) -> Response {
    if request.method() == axum::http::Method::PUT {
        return next.run(request).await;
    }
    within_time(request, next).await
}
