//! Who makes the request: the bearer token.

use crate::App;
use crate::auth::token::Claims;
use crate::problem::{Kind, Problem};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use iroko_store::authority::Subject;

/// Somebody with a valid token. What they may do is not in it: the [guards](super::guard) ask.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What their token says.
    pub claims: Claims,
    /// Who.
    pub subject: Subject,
}

impl FromRequestParts<App> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(Problem::with(
                Kind::Unauthorized,
                "send the header Authorization: Bearer TOKEN; POST /v1/auth/token gives one",
            ));
        };
        let claims = app.tokens.check(token.trim());
        let claims = claims
            .ok_or_else(|| Problem::with(Kind::Unauthorized, "the token is not valid or has expired; log in again"))?;
        Ok(Self { subject: Subject::User(claims.sub), claims })
    }
}
