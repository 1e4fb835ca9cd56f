//! Who makes the request: the bearer token, or the cookie of a browser's session.

use super::own_page::forged;
use crate::Identity;
use crate::auth::api_key;
use crate::auth::subject::{Credential, Subject};
use crate::auth::token::{Claims, ISSUER};
use crate::layers::caller::Known;
use crate::service::{self, session_cookie, signing_key};
use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use iroko_model::role::Held;
use iroko_model::{Permissions, SessionId, UserId};
use iroko_store::authority::{Authority, Scope, admission};
use iroko_store::request::{self, Who};
use iroko_web::extract::Source;
use iroko_web::problem::{Problem, Rule};
use time::OffsetDateTime;

/// Somebody with a valid token. What they may do is not in it: the [guards](super::guard) ask.
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
    /// The credential is good in some networks only.
    pub is_bound: bool,
    /// The key ends then; sessions end by their own rules.
    pub expires_at: Option<OffsetDateTime>,
}

impl Actor {
    /// The person; what is a person's own is not there for programs.
    pub fn user(&self) -> Result<UserId, Problem> {
        match self.subject {
            Subject::User(user) => Ok(user),
            Subject::ServiceAccount(_) => Err(not_a_person()),
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

    /// What a credential leaves of what its holder may do.
    pub fn restrict(&self, held: Held) -> Held {
        let Some(only) = &self.only else { return held };
        let only = Permissions::of_names(only.iter().map(String::as_str));
        Held { permissions: held.permissions.intersection(only), suspended: held.suspended.intersection(only) }
    }

    /// The session of the request.
    pub fn session(&self) -> Result<SessionId, Problem> {
        match self.credential {
            Credential::Session(session) => Ok(session),
            Credential::ApiKey(_) => Err(not_a_person()),
        }
    }

    /// Asks in one go whether the session holds and what its person may do where the path says.
    async fn of_token(app: &Identity, parts: &mut Parts, token: &str) -> Result<Option<Self>, Problem> {
        let Some(claims) = signing_key::check(app, token).await? else { return Ok(None) };
        Self::of_session(app, parts, claims).await
    }

    /// The same for a cookie. One that another site's page may have sent is nobody's, but whose it is goes into the audit log.
    async fn of_cookie(app: &Identity, parts: &mut Parts, secret: &str) -> Result<Option<Self>, Problem> {
        if let Some(doubt) = app.credentials.cookies.doubt(&parts.method, &parts.headers) {
            if let Some(known) = session_cookie::find(app, secret).await? {
                known.note();
            }
            return Err(forged(doubt));
        }
        let source = Source::of(parts, &app.proxies);
        let Some(known) = session_cookie::check(app, &source, secret).await? else { return Ok(None) };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: known.person.account_id,
            sid: known.session.session_id,
            username: known.person.username,
            org: known.person.organization_id,
            iat: 0,
            exp: 0,
        };
        if let Some(next) = known.next {
            parts.extensions.insert(NextCookie(next));
        }
        Self::of_session(app, parts, claims).await
    }

    async fn of_session(app: &Identity, parts: &mut Parts, claims: Claims) -> Result<Option<Self>, Problem> {
        let (subject, credential) = (Subject::User(claims.sub), Credential::Session(claims.sid));
        let scope = scope_of_path(parts, app).await;
        let session = (claims.sid, app.credentials.clock.now());
        let mut conn = app.store.connection().await?;
        let Some(authority) = admission(&mut conn, subject, Some(session), scope).await? else { return Ok(None) };
        parts.extensions.insert(Admission { scope, authority });
        Ok(Some(Self { claims, subject, credential, only: None, is_bound: false, expires_at: None }))
    }

    async fn of_api_key(app: &Identity, source: &Source, key: &str) -> Result<Option<Self>, Problem> {
        let Some(holder) = service::api_key::check(app, source, key).await? else { return Ok(None) };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: holder.service_account_id.as_uuid().into(),
            sid: holder.id.as_uuid().into(),
            username: holder.name,
            org: holder.organization_id,
            iat: 0,
            exp: 0,
        };
        let (subject, credential) = (Subject::ServiceAccount(holder.service_account_id), Credential::ApiKey(holder.id));
        let is_bound = !holder.source_networks.is_empty();
        Ok(Some(Self {
            claims,
            subject,
            credential,
            only: holder.permissions,
            is_bound,
            expires_at: holder.expires_at,
        }))
    }
}

/// The next cookie of the session, for the answer.
#[derive(Debug, Clone)]
pub struct NextCookie(pub HeaderValue);

/// What was asked together with the credential, for the guard of the same request.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Where the path says.
    pub scope: Scope,
    /// What may be done there.
    pub authority: Authority,
}

/// Where most guards will ask. One that asks elsewhere, as above, asks by itself.
async fn scope_of_path(parts: &mut Parts, app: &Identity) -> Scope {
    let Ok(path) = RawPathParams::from_request_parts(parts, app).await else { return Scope::System };
    let named = |name| path.iter().find(|(key, _)| *key == name).map(|(_, text)| text);
    let project = named("project_id").and_then(|text| text.parse().ok()).map(Scope::Project);
    let organization = || named("organization_id").and_then(|text| text.parse().ok()).map(Scope::Organization);
    project.or_else(organization).unwrap_or(Scope::System)
}

fn not_a_person() -> Problem {
    Problem::refuse(Rule::PersonsOnly, "this is for people who log in; a service account has API keys and no sessions")
}

impl<S: Send + Sync> FromRequestParts<S> for Actor
where
    Identity: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = &Identity::from_ref(state);
        if let Some(known) = parts.extensions.get::<Known>().and_then(Known::actor) {
            return known;
        }
        if let Some(secret) = app.credentials.cookies.read(&parts.headers).map(str::to_owned) {
            let actor = Self::of_cookie(app, parts, &secret).await?;
            let text = "the session of the cookie has ended; log in again";
            let actor = actor.ok_or_else(|| Problem::refuse(Rule::SessionEnded, text))?;
            actor.note();
            return Ok(actor);
        }
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(Problem::refuse(
                Rule::CredentialsMissing,
                "send the header Authorization: Bearer TOKEN; POST /v1/auth/token gives one",
            ));
        };
        let refused =
            || Problem::refuse(Rule::TokenInvalid, "the token is not valid or has expired; refresh it or log in again");
        let token = token.trim().to_owned();
        let actor = match token.starts_with(api_key::PREFIX) {
            true => {
                let source = Source::of(parts, &app.proxies);
                Self::of_api_key(app, &source, &token).await?
            }
            false => Self::of_token(app, parts, &token).await?,
        };
        let actor = actor.ok_or_else(refused)?;
        actor.note();
        Ok(actor)
    }
}
