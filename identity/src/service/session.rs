//! Sessions: log-in, refresh, log-out, and the list of one's own.

use super::carrier::{Begun, Carried, Held, tokens};
use super::credential::{prove, who};
use super::login_attempt::{self, Attempt};
use super::totp;
use crate::Identity;
use crate::auth::refresh::{Verdict, hash, judge};
use crate::extract::{ListQuery, Source};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_model::{SessionId, UserId};
use iroko_store::authority::{Scope, Subject, authority};
use iroko_store::credential::{Credential, credential_by_account};
use iroko_store::login_attempt::Proof;
use iroko_store::session::{self, NewSession};
use iroko_store::{Tx, Wake, login_challenge, request};
use iroko_web::problem::{Plain, Problem, Result, Rule};
use iroko_wire::List;
use iroko_wire::auth::{TokenRequest, TokenResponse};
use iroko_wire::session::{RefreshRequest, Session};
use iroko_wire::totp::SecondFactorRequest;
use rand::Rng;
use time::Duration;

/// How long the second step of a log-in may take.
const CHALLENGE_LIFE: Duration = Duration::minutes(5);
/// By this a challenge is known for one.
const CHALLENGE_PREFIX: &str = "iroko_ch_";

/// Checks a password and begins a session, or asks for the second factor.
pub async fn log_in<A: Carried>(app: &Identity, source: &Source, request: TokenRequest) -> Result<A> {
    let (person, attempt) = prove(app, source, &request.username, request.password).await?;
    if !totp::is_needed(app, person.account_id).await? {
        let tx = app.store.begin().await?;
        return begin(app, tx, source, &person, "password", Some(attempt)).await;
    }
    // Neither a failure nor a success yet: wrong codes count by themselves.
    attempt.withdraw(app).await?;
    let challenge = format!("{CHALLENGE_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>()));
    let mut conn = app.store.connection().await?;
    let ends = app.credentials.clock.now() + CHALLENGE_LIFE;
    login_challenge::login_challenge_insert(&mut conn, &hash(&challenge), person.account_id, ends).await?;
    Err(Problem::second_factor(challenge, A::SECOND_STEP))
}

/// Checks a code of somebody whose password was right, and begins a session.
pub async fn second_factor<A: Carried>(app: &Identity, source: &Source, request: SecondFactorRequest) -> Result<A> {
    let challenge = hash(&request.challenge);
    let refused = || Problem::refuse(Rule::ChallengeEnded, "the challenge has ended; log in with the password again");
    let mut conn = app.store.connection().await?;
    let found = login_challenge::login_challenge_account(&mut conn, &challenge, app.credentials.clock.now()).await?;
    let person = credential_by_account(&mut conn, found.ok_or_else(refused)?).await?;
    let person = person.filter(|person| !person.is_disabled).ok_or_else(refused)?;
    drop(conn);
    let attempt = login_attempt::begin(app, &person.username, source, Proof::Code).await?;
    let mut tx = app.store.begin().await?;
    if !totp::take_code(app, &mut tx, person.account_id, &request.code).await? {
        drop(tx);
        attempt.failed(app).await?;
        return Err(Problem::refuse(Rule::CodeWrong, "the code is wrong or was used before; try the next one"));
    }
    if !login_challenge::login_challenge_delete(&mut tx, &challenge).await? {
        drop(tx);
        attempt.withdraw(app).await?;
        return Err(refused());
    }
    begin(app, tx, source, &person, "password", Some(attempt)).await
}

/// Begins a session of somebody who has proved who they are.
pub async fn begin<A: Carried>(
    app: &Identity,
    mut tx: Tx,
    source: &Source,
    person: &Credential,
    method: &str,
    attempt: Option<Attempt>,
) -> Result<A> {
    let (now, auth) = (app.credentials.clock.now(), &app.config.auth);
    let expires_at = now + auth.session_life();
    let idle_expires_at = (now + auth.session_idle()).min(expires_at);
    let secret = app.credentials.refresh.first();
    let new = NewSession {
        account_id: person.account_id,
        method,
        carrier: A::CARRIER,
        source: source.address,
        user_agent: source.user_agent.as_deref(),
        now,
        idle_expires_at,
        expires_at,
    };
    let row = session::session_begin(&mut tx, &new, &hash(&secret)).await?;
    if let Some(attempt) = attempt {
        attempt.succeeded(&mut tx).await?;
    }
    in_good_standing(&mut tx, person.account_id).await?;
    let id = row.id;
    let answer = A::of(app, person, Begun { row, secret })?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    tracing::info!(user = %person.account_id, session = %id, source = %source.address, method, "logged in");
    Ok(answer)
}

/// Exchanges a refresh token for an access token and the next refresh token.
pub async fn refresh(app: &Identity, source: &Source, request: RefreshRequest) -> Result<TokenResponse> {
    let now = app.credentials.clock.now();
    let successor = app.credentials.refresh.successor(&request.refresh_token);
    let (used, next) = (hash(&request.refresh_token), hash(&successor));
    let refused = || Problem::refuse(Rule::RefreshTokenEnded, "the refresh token does not hold any more; log in again");
    let mut tx = app.store.begin().await?;
    let token = session::refresh_token_lock(&mut tx, &used).await?;
    let token = token.filter(|token| token.carrier == TokenResponse::CARRIER).ok_or_else(refused)?;
    let successor_is_current = token.used_at.is_some() && session::refresh_token_is_current(&mut tx, &next).await?;
    let mut idle_expires_at = token.idle_expires_at;
    match judge(&token, successor_is_current, now) {
        Verdict::Exchange => {
            idle_expires_at = (now + app.config.auth.session_idle()).min(token.expires_at);
            session::refresh_token_exchange(&mut tx, token.session_id, &used, &next, now, idle_expires_at).await?;
        }
        Verdict::Repeat => session::refresh_token_repeated(&mut tx, &used).await?,
        Verdict::Reused => {
            session::session_revoke(&mut tx, token.account_id, token.session_id, "reuse", now).await?;
            // Recorded as theirs. Other refused tokens are nobody's, and no more than counted.
            note(credential_by_account(&mut tx, token.account_id).await?.as_ref());
            app.store.commit_aside(tx).await?;
            tracing::warn!(session = %token.session_id, source = %source.address, "a used refresh token came back; the session was ended");
            return Err(refused());
        }
        Verdict::Ended => return Err(refused()),
    }
    let person = credential_by_account(&mut tx, token.account_id).await?;
    let person = person.filter(|person| !person.is_disabled).ok_or_else(refused)?;
    in_good_standing(&mut tx, person.account_id).await?;
    let held = Held { id: token.session_id, secret: successor, idle_expires_at, expires_at: token.expires_at };
    let answer = tokens(app, &person, &held, now)?;
    note(Some(&person));
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(answer)
}

/// Notes whose session it is, for the audit log.
fn note(person: Option<&Credential>) {
    if let (Some(person), Some(request)) = (person, request::current()) {
        request.set_who(who(person));
    }
}

/// Their account holds, and no organization of theirs is suspended.
async fn in_good_standing(tx: &mut Tx, person: UserId) -> Result<()> {
    let found = authority(tx, Subject::User(person), Scope::System).await?;
    crate::auth::policy::stands(found.standing)
}

/// A page of a person's sessions.
pub async fn list(app: &Identity, user: UserId, current: Option<SessionId>, query: ListQuery) -> Result<List<Session>> {
    let mut conn = app.store.connection().await?;
    let page = session::session_list(&mut conn, user, app.credentials.clock.now(), query.page).await?;
    Ok(iroko_web::list(page, |row| crate::show::session::of(row, current)))
}

/// One session of a person.
pub async fn get(app: &Identity, user: UserId, current: Option<SessionId>, id: SessionId) -> Result<Session> {
    let mut conn = app.store.connection().await?;
    let row = session::session_get(&mut conn, user, id, app.credentials.clock.now()).await?;
    row.map(|row| crate::show::session::of(row, current)).ok_or(Problem::new(Plain::NotFound))
}

/// Ends a session of a person: its access tokens stop at once.
pub async fn revoke(app: &Identity, user: UserId, id: SessionId, reason: &str) -> Result<()> {
    let mut conn = app.store.connection().await?;
    let done = session::session_revoke(&mut conn, user, id, reason, app.credentials.clock.now()).await?;
    if done { Ok(()) } else { Err(Problem::new(Plain::NotFound)) }
}

/// Ends all sessions of a person, but for one.
pub async fn revoke_all(app: &Identity, user: UserId, except: Option<SessionId>) -> Result<()> {
    let mut conn = app.store.connection().await?;
    let now = app.credentials.clock.now();
    session::session_revoke_all(&mut conn, user, except, "revoked", now).await?;
    Ok(())
}
