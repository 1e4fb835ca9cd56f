//! Who makes the request: the bearer token, and the policy that every route of a kind asks.

use crate::App;
use crate::auth::policy;
use crate::auth::subject::{Credential, Subject};
use crate::auth::token::Claims;
use crate::layers::caller::Known;
use crate::problem::{Kind, Problem};
use crate::service::{session, signing_key};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use iroko_model::{ProjectId, SessionId, UserId};
use iroko_store::request::{self, Who};

/// Somebody who has logged in.
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
        let Subject::User(user) = self.subject;
        Ok(user)
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

/// A member of the project in the path.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Who.
    pub actor: Actor,
    /// The project of the path.
    pub project: ProjectId,
}

impl FromRequestParts<App> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, app).await?;
        let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Problem::new(Kind::NotFound))?;
        let project = path.iter().find(|(name, _)| *name == "project_id").and_then(|(_, text)| text.parse().ok());
        let project = project.ok_or_else(|| Problem::new(Kind::NotFound))?;
        policy::in_project(&actor, project)?;
        if let Some(request) = request::current() {
            request.set_scope(None, Some(project));
        }
        Ok(Self { actor, project })
    }
}

/// An operator.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Who.
    pub actor: Actor,
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, app).await?;
        policy::operator(&actor)?;
        Ok(Self { actor })
    }
}
