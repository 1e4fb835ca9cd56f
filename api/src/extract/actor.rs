//! Who makes the request: the bearer token, and the policy that every route of a kind asks.

use crate::App;
use crate::auth::policy;
use crate::auth::token::Claims;
use crate::problem::{Kind, Problem};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use iroko_model::ProjectId;

/// Somebody who has logged in.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What their token says.
    pub claims: Claims,
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
        Ok(Self { claims })
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
