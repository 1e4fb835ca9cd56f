//! Who makes the request: the bearer token, and the policy that every route of a kind asks.

use super::Source;
use crate::App;
use crate::auth::subject::{Credential, Subject};
use crate::auth::token::{Claims, ISSUER};
use crate::auth::{api_key, policy};
use crate::problem::{Kind, Problem};
use crate::service::{self, session, signing_key};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use iroko_model::{ProjectId, SessionId, UserId};

/// Somebody who has logged in.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What their token says.
    pub claims: Claims,
    /// Who.
    pub subject: Subject,
    /// By what they proved it.
    pub credential: Credential,
    /// Names of the permissions that the credential is restricted to.
    pub only: Option<Vec<String>>,
}

impl Actor {
    /// The person; what is a person's own is not there for programs.
    pub fn user(&self) -> Result<UserId, Problem> {
        match self.subject {
            Subject::User(user) => Ok(user),
            Subject::ServiceAccount(_) => Err(not_a_person()),
        }
    }

    /// The session of the request.
    pub fn session(&self) -> Result<SessionId, Problem> {
        match self.credential {
            Credential::Session(session) => Ok(session),
            Credential::ApiKey(_) => Err(not_a_person()),
        }
    }

    async fn of_token(app: &App, token: &str) -> Result<Option<Self>, Problem> {
        let Some(claims) = signing_key::check(app, token).await? else { return Ok(None) };
        if !session::holds(app, claims.sid).await? {
            return Ok(None);
        }
        let (subject, credential) = (Subject::User(claims.sub), Credential::Session(claims.sid));
        Ok(Some(Self { claims, subject, credential, only: None }))
    }

    async fn of_api_key(app: &App, source: &Source, key: &str) -> Result<Option<Self>, Problem> {
        let Some(holder) = service::api_key::check(app, source, key).await? else { return Ok(None) };
        // No project and no system is in a key: what it allows, the policy asks the database.
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: holder.service_account_id.as_uuid().into(),
            sid: holder.id.as_uuid().into(),
            username: holder.name,
            org: holder.organization_id,
            operator: false,
            projects: Vec::new(),
            iat: 0,
            exp: 0,
        };
        let (subject, credential) = (Subject::ServiceAccount(holder.service_account_id), Credential::ApiKey(holder.id));
        Ok(Some(Self { claims, subject, credential, only: holder.permissions }))
    }
}

fn not_a_person() -> Problem {
    Problem::with(Kind::NotFound, "this is for people who log in; a service account has API keys and no sessions")
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
        let refused =
            || Problem::with(Kind::Unauthorized, "the token is not valid or has expired; refresh it or log in again");
        let token = token.trim();
        let actor = match token.starts_with(api_key::PREFIX) {
            true => {
                let source = Source::of(parts, app);
                Self::of_api_key(app, &source, token).await?
            }
            false => Self::of_token(app, token).await?,
        };
        actor.ok_or_else(refused)
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
