//! Finds out once who asks. Whoever needs to know later finds the answer in the request; an operation
//! that does not ask is not refused here. A cookie that was renewed meanwhile goes out with the answer.

use crate::Identity;
use crate::extract::{Actor, NextCookie};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::middleware::Next;
use axum::response::Response;
use iroko_web::problem::Problem;
use std::sync::{Arc, Mutex, PoisonError};

/// What came of the credentials that were sent.
#[derive(Debug, Clone)]
pub struct Known(Arc<Mutex<Option<Problem>>>, Option<Actor>);

impl Known {
    /// The actor, or once why there is none.
    pub fn actor(&self) -> Option<Result<Actor, Problem>> {
        if let Some(actor) = &self.1 {
            return Some(Ok(actor.clone()));
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(Err)
    }
}

/// The actor of a request that has passed this layer.
pub fn of(request: &Request) -> Option<&Actor> {
    request.extensions().get::<Known>()?.1.as_ref()
}

/// See the module.
pub async fn layer(State(app): State<Identity>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // For the guards, which stand around each operation ([`crate::extract::gate`]).
    parts.extensions.insert(app.clone());
    let cookies = &app.credentials.cookies;
    if !parts.headers.contains_key(AUTHORIZATION) && cookies.read(&parts.headers).is_none() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let known = match Actor::from_request_parts(&mut parts, &app).await {
        Ok(actor) => Known(Arc::default(), Some(actor)),
        Err(problem) => Known(Arc::new(Mutex::new(Some(problem))), None),
    };
    parts.extensions.insert(known);
    let renewed = parts.extensions.remove::<NextCookie>();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let headers = response.headers_mut();
    // A log-in or log-out has said what becomes of the cookie.
    if let Some(NextCookie(cookie)) = renewed
        && !headers.get_all(SET_COOKIE).iter().any(|set| cookies.is_set_by(set))
    {
        headers.append(SET_COOKIE, cookie);
    }
    response
}
