//! Log-ins that hand out a cookie: for pages of this cloud only, so that no other site logs a visitor in as somebody else.

use crate::Identity;
use crate::auth::cookie::Doubt;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use iroko_web::problem::{Problem, Rule};

/// A page of this cloud asks, and cookies are offered.
#[derive(Debug, Clone, Copy)]
pub struct OwnPage;

impl<S: Send + Sync> FromRequestParts<S> for OwnPage
where
    Identity: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let cookies = &Identity::from_ref(state).credentials.cookies;
        if !cookies.are_offered() {
            let text = "this cloud gives no sessions by cookie; ask its operator to set auth.cookie_origins, or log in by POST /v1/auth/token";
            return Err(Problem::refuse(Rule::CookiesNotOffered, text));
        }
        match cookies.doubt(&parts.method, &parts.headers) {
            None => Ok(Self),
            Some(doubt) => Err(forged(doubt)),
        }
    }
}

/// The refusal of what a page of another site may have sent.
pub fn forged(doubt: Doubt) -> Problem {
    match doubt {
        Doubt::NoHeader => {
            let text =
                "a request with the cookie of a session that changes something has the header X-Iroko-Session: cookie";
            Problem::refuse(Rule::SessionHeaderMissing, text)
        }
        Doubt::Origin => {
            let text = "by its Origin or Sec-Fetch-Site the request is not of a page of this cloud; use its portal, or a token in place of the cookie";
            Problem::refuse(Rule::OriginForeign, text)
        }
    }
}
