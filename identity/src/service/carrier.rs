//! What a log-in is answered with: tokens for programs and terminals, a cookie for a browser. The session behind is the same.

use crate::Identity;
use crate::auth::signing_key::LIFETIME;
use crate::auth::token::{Claims, ISSUER};
use axum::Json;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use iroko_model::SessionId;
use iroko_store::credential::Credential;
use iroko_store::session::Session as Row;
use iroko_web::problem::{Plain, Problem, Result};
use iroko_wire::auth::TokenResponse;
use iroko_wire::session::Session;
use time::OffsetDateTime;

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// The session.
    pub row: Row,
    /// Its first secret, which only the client keeps.
    pub secret: String,
}

/// An answer to a log-in.
pub trait Carried: Sized {
    /// Its word in the database.
    const CARRIER: &str;
    /// Where the second step of a log-in goes that is answered so.
    const SECOND_STEP: &str;

    /// The answer that hands the session over.
    fn of(app: &Identity, person: &Credential, begun: Begun) -> Result<Self>;
}

impl Carried for TokenResponse {
    const CARRIER: &str = "token";
    const SECOND_STEP: &str = "/v1/auth/token/second-factor";

    fn of(app: &Identity, person: &Credential, begun: Begun) -> Result<Self> {
        let Row { id, idle_expires_at, expires_at, used_at, .. } = begun.row;
        tokens(app, person, &Held { id, secret: begun.secret, idle_expires_at, expires_at }, used_at)
    }
}

/// A session of which tokens are given.
#[derive(Debug)]
pub struct Held {
    /// The session.
    pub id: SessionId,
    /// Its refresh token.
    pub secret: String,
    /// It ends then unless it is refreshed before.
    pub idle_expires_at: OffsetDateTime,
    /// It ends then in any case.
    pub expires_at: OffsetDateTime,
}

/// Signs an access token of the session.
pub fn tokens(app: &Identity, person: &Credential, session: &Held, now: OffsetDateTime) -> Result<TokenResponse> {
    let ends = (now + LIFETIME).min(session.expires_at);
    let claims = Claims {
        iss: ISSUER.to_owned(),
        sub: person.account_id,
        sid: session.id,
        username: person.username.clone(),
        org: person.organization_id,
        iat: now.unix_timestamp(),
        exp: ends.unix_timestamp(),
    };
    Ok(TokenResponse {
        access_token: app.credentials.ring().issue(&claims).map_err(|e| Problem::internal(&e))?,
        token_type: "Bearer".to_owned(),
        expires_in_s: seconds(ends, now),
        refresh_token: session.secret.clone(),
        refresh_expires_in_s: seconds(session.idle_expires_at, now),
        session_id: session.id.as_uuid(),
    })
}

fn seconds(until: OffsetDateTime, now: OffsetDateTime) -> u64 {
    (until - now).whole_seconds().max(0).unsigned_abs()
}

/// A session that a browser holds: it is shown, and its secret is in the cookie only.
#[derive(Debug)]
pub struct ByCookie {
    session: Session,
    cookie: HeaderValue,
}

impl Carried for ByCookie {
    const CARRIER: &str = "cookie";
    const SECOND_STEP: &str = "/v1/auth/sessions/second-factor";

    fn of(app: &Identity, _: &Credential, begun: Begun) -> Result<Self> {
        let cookie = cookie(app, &begun.secret, begun.row.idle_expires_at, begun.row.used_at)?;
        let id = begun.row.id;
        Ok(Self { session: crate::show::session::of(begun.row, Some(id)), cookie })
    }
}

/// The cookie with a secret, for as long as the session lasts unless it is renewed.
pub fn cookie(
    app: &Identity,
    secret: &str,
    idle_expires_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<HeaderValue> {
    let cookie = app.credentials.cookies.set(secret, seconds(idle_expires_at, now));
    cookie.ok_or(Problem::new(Plain::Internal))
}

impl IntoResponse for ByCookie {
    fn into_response(self) -> Response {
        let location = HeaderValue::from_str(&format!("/v1/auth/sessions/{}", self.session.id));
        let mut response = (StatusCode::CREATED, [(SET_COOKIE, self.cookie)], Json(self.session)).into_response();
        if let Ok(location) = location {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}
