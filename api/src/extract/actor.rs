//! Who makes the request: the bearer token.

use crate::App;
use crate::auth::subject::{Credential, Subject};
use crate::auth::token::Claims;
use crate::layers::caller::Known;
use crate::problem::{Kind, Problem};
use crate::service::{session, signing_key};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use iroko_model::{SessionId, UserId};
use iroko_store::request::{self, Who};

/// Somebody with a valid token. What they may do is not in it: the [guards](super::guard) ask.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What their token says.
    pub claims: Claims,
    /// Who.
    pub subject: Subject,
    /// By what they proved it.
    pub credential: Credential,
}

impl Actor {
    /// The person; what is a person's own is not there for programs.
    pub fn user(&self) -> Result<UserId, Problem> {
        match self.subject {
            Subject::User(user) => Ok(user),
            Subject::ServiceAccount(_) => Err(Problem::with(
                Kind::Conflict,
                "this is for people; a service account has no sessions and no password",
            )),
        }
    }

    /// Notes who asks, for the audit log.
    fn note(&self) {
        let Some(request) = request::current() else { return };
        request.set_who(Who {
            id: self.subject.id(),
            kind: self.subject.kind(),
            name: self.claims.username.clone(),
            organization_id: Some(self.claims.org),
            credential_kind: self.credential.kind(),
            credential_id: Some(self.credential.id()),
        });
    }

    /// The session of the request.
    pub fn session(&self) -> Result<SessionId, Problem> {
        let Credential::Session(session) = self.credential;
        Ok(session)
    }
}

impl FromRequestParts<App> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Known>().and_then(Known::actor) {
            return known;
        }
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(Problem::with(
                Kind::Unauthorized,
                "send the header Authorization: Bearer TOKEN; POST /v1/auth/token gives one",
            ));
        };
        let refused =
            || Problem::with(Kind::Unauthorized, "the token is not valid or has expired; refresh it or log in again");
        let claims = signing_key::check(app, token.trim()).await?.ok_or_else(refused)?;
        if !session::holds(app, claims.sid).await? {
            return Err(refused());
        }
        let actor = Self { subject: Subject::User(claims.sub), credential: Credential::Session(claims.sid), claims };
        actor.note();
        Ok(actor)
    }
}
