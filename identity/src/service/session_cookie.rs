//! Sessions that browsers hold by a cookie. The secret in it holds as long as an access token; the first request after that is
//! answered with the next one, as `POST /v1/auth/refresh` does for tokens.

use super::carrier::{self, ByCookie, Carried};
use crate::Identity;
use crate::auth::refresh::{CookieVerdict, hash, judge_cookie};
use axum::http::HeaderValue;
use iroko_store::credential::{Credential, credential_by_account};
use iroko_store::request::{self, Who};
use iroko_store::session::{self, Presented};
use iroko_web::extract::Source;
use iroko_web::problem::Result;

/// Whose cookie was shown.
#[derive(Debug)]
pub struct Known {
    /// The person.
    pub person: Credential,
    /// Their session.
    pub session: Presented,
    /// The next cookie, where the answer must bring one.
    pub next: Option<HeaderValue>,
}

impl Known {
    /// Notes whose it is, for the audit log.
    pub fn note(&self) {
        let Some(request) = request::current() else { return };
        request.set_who(Who {
            id: self.person.account_id.as_uuid(),
            kind: "user",
            name: self.person.username.clone(),
            organization_id: Some(self.person.organization_id),
            credential_kind: "session",
            credential_id: Some(self.session.session_id.as_uuid()),
        });
    }
}

/// Whose the session is, if the cookie holds. Nothing is renewed by this.
pub async fn find(app: &Identity, secret: &str) -> Result<Option<Known>> {
    let mut conn = app.store.connection().await?;
    let Some(session) = session::session_secret_find(&mut conn, &hash(secret)).await? else { return Ok(None) };
    if session.carrier != ByCookie::CARRIER {
        return Ok(None);
    }
    let person = credential_by_account(&mut conn, session.account_id).await?;
    Ok(person.filter(|person| !person.is_disabled).map(|person| Known { person, session, next: None }))
}

/// The same, and renews the cookie where it is time. One that comes back after that was copied: its session ends.
pub async fn check(app: &Identity, source: &Source, secret: &str) -> Result<Option<Known>> {
    let now = app.credentials.clock.now();
    let Some(known) = find(app, secret).await? else { return Ok(None) };
    match judge_cookie(&known.session, now) {
        CookieVerdict::Holds => Ok(Some(known)),
        CookieVerdict::Ended => Ok(None),
        CookieVerdict::Renew | CookieVerdict::Passed | CookieVerdict::Reused => renew(app, source, secret, known).await,
    }
}

async fn renew(app: &Identity, source: &Source, secret: &str, known: Known) -> Result<Option<Known>> {
    let now = app.credentials.clock.now();
    let successor = app.credentials.refresh.successor(secret);
    let mut tx = app.store.begin().await?;
    let Some(session) = session::refresh_token_lock(&mut tx, &hash(secret)).await? else { return Ok(None) };
    let mut idle_expires_at = session.idle_expires_at;
    match judge_cookie(&session, now) {
        CookieVerdict::Holds => return Ok(Some(Known { session, ..known })),
        CookieVerdict::Ended => return Ok(None),
        // Another request of the same browser was first, and this one was under way already.
        CookieVerdict::Passed => {}
        CookieVerdict::Renew => {
            idle_expires_at = (now + app.config.auth.session_idle()).min(session.expires_at);
            let (used, next) = (hash(secret), hash(&successor));
            session::refresh_token_exchange(&mut tx, session.session_id, &used, &next, now, idle_expires_at).await?;
            app.store.commit_aside(tx).await?;
        }
        CookieVerdict::Reused => {
            session::session_revoke(&mut tx, session.account_id, session.session_id, "reuse", now).await?;
            known.note();
            app.store.commit_aside(tx).await?;
            tracing::warn!(session = %session.session_id, source = %source.address, "a used session cookie came back; the session was ended");
            return Ok(None);
        }
    }
    let next = carrier::cookie(app, &successor, idle_expires_at, now)?;
    Ok(Some(Known { session, next: Some(next), ..known }))
}
