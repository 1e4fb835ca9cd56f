//! What every operation does the same way, present and future: no handler repeats it.
//!
//! ```text
//!   request ─> compression ─> context ─> caller ─> rate ─> time bound ─> body ─> panics ─> query ─> validators ─┐
//!                                          handler <─ idempotency <─ guard <────────────────────────────┘
//! ```
//!
//! [`context`]: id, language, trace, security headers, the audit record of what was refused.
//! [`body`](iroko_web::layers::body): bodies come whole and as they are. [`caller`]: who asks, once. [`rate`]: how often. [`query`](iroko_web::layers::query): no parameter that the operation does not know.
//! [`validators`](iroko_web::layers::validators): `ETag`, `If-None-Match`, `If-Match`. The guard and [`idempotency`] (what must not happen twice)
//! stand around each operation by itself ([`crate::extract::gate`]): nothing is answered before the guard.

pub mod caller;
pub mod context;
pub mod idempotency;
pub mod rate;

use crate::Identity;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use iroko_web::layers::context::Operations;
use iroko_web::layers::{body, bounded, panicked, query, validators};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Shorter answers are not worth compressing.
const COMPRESSED_MIN_BYTES: u64 = 860;

/// Puts the layers of the REST API around its routes. `operations`: names of the operations.
pub fn rest(router: Router, app: &Identity, operations: Operations) -> Router {
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
