//! `Idempotency-Key` on every POST: the same key and request gives the stored answer, another request
//! with it is refused, and one that is still running is told so. What failed or was refused has changed
//! nothing, and its key is free again.
//!
//! The key is claimed after the guard has let the caller in ([`crate::extract::gate`]), so that nobody is given
//! what they may no longer ask for, and settled in the handler's own transaction, so that no crash lets a request take
//! effect twice ([`iroko_store::idempotency`]). A stored answer is sealed, as some show a secret once, and given to
//! the session or API key that asked, and to no other of the same person or program. Log-ins have no guard, nothing
//! to repeat, and ignore the key.

use crate::Identity;
use crate::extract::Actor;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Response as HttpResponse, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use iroko_model::Invalid;
use iroko_store::idempotency::{self, Claim};
use iroko_store::request;
use iroko_web::problem::{Plain, Problem, Rule};
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key, in octets.
const KEY_MAX: usize = 255;
/// Largest request body with a key: that of all JSON requests.
const BODY_MAX: usize = 256 * 1024;
/// A claim that committed nothing may be taken over after this: twice the longest request.
const LEASE_S: f64 = 60.0;
/// When to ask again while the request is running.
const RUNNING_FOR: Duration = Duration::from_secs(1);
/// Label of the sealed answers.
const SEAL: &str = "idempotency";

/// Carries a request of somebody whom its guard has let in out once.
pub async fn once(app: &Identity, actor: &Actor, request: Request, next: Next) -> Response {
    let is_login = request.uri().path().starts_with("/v1/auth/");
    let key = request.headers().get(KEY).cloned();
    let (Some(key), &Method::POST, false) = (key, request.method(), is_login) else {
        return next.run(request).await;
    };
    match claimed(app, actor, &key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn claimed(
    app: &Identity,
    actor: &Actor,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if key.is_empty() || key.len() > KEY_MAX {
        let text = format!("an idempotency key has 1 to {KEY_MAX} characters");
        return Err(Problem::field("Idempotency-Key", Invalid::new("idempotency_key_length", text)));
    }
    let subject = actor.subject.id();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.map_err(|_| Problem::new(Plain::TooLarge))?;
    let key_hash = Sha256::digest(key.as_bytes());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request_hash = Sha256::new().chain_update(path).chain_update([0]).chain_update(&body).finalize();
    let mut conn = app.store.connection().await?;
    let claim =
        idempotency::idempotency_claim(&mut conn, subject, actor.credential.id(), &key_hash, &request_hash, LEASE_S);
    let claim = claim.await?;
    drop(conn);
    let claim = match claim {
        Claim::Mine(claim) => claim,
        Claim::Answered(status, answer) => return replay(app, subject, status, &answer),
        Claim::OtherRequest => {
            let text = "this key was used for another request; take a new key for each new request";
            return Err(Problem::field("Idempotency-Key", Invalid::new("idempotency_key_reused", text)));
        }
        Claim::OtherCredential => {
            let text = "this key was used with another session or API key, whose answer is not shown to this one; look at the list of resources, and take a new key for each new request";
            return Err(Problem::refuse(Rule::IdempotencyKeyForeign, text));
        }
        Claim::Running => {
            let text = "the request with this key is still being carried out; ask again soon";
            return Err(Problem::refuse(Rule::IdempotencyKeyRunning, text).retry_after(RUNNING_FOR));
        }
        Claim::AnswerLost => {
            let text = "the request with this key was carried out, but the service stopped before it answered; look at the list of resources";
            return Err(Problem::refuse(Rule::IdempotencyAnswerLost, text));
        }
    };
    if let Some(current) = request::current() {
        current.set_claim(claim);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    settled(app, subject, claim, response).await
}

/// Keeps the answer of what took effect, gives the key of anything else back.
async fn settled(app: &Identity, subject: Uuid, claim: Uuid, response: Response) -> Result<Response, Problem> {
    let mut conn = app.store.connection().await?;
    if !response.status().is_success() {
        idempotency::idempotency_give_back(&mut conn, claim).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(|_| Problem::new(Plain::Internal))?;
    let sealed = app.credentials.secrets.seal(SEAL, &subject.to_string(), &bytes).map_err(|e| Problem::internal(&e))?;
    idempotency::idempotency_answer(&mut conn, claim, parts.status.as_u16(), &sealed).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replay(app: &Identity, subject: Uuid, status: u16, sealed: &[u8]) -> Result<Response, Problem> {
    let body = app.credentials.secrets.open(SEAL, &subject.to_string(), sealed).map_err(|e| Problem::internal(&e))?;
    let mut response = HttpResponse::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
        .header(REPLAYED, HeaderValue::from_static("true"));
    if !body.is_empty() {
        response = response.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response.body(Body::from(Bytes::from(body))).map_err(|e| Problem::internal(&e))
}
