//! The second factor: setting it up, proving it, giving it up. Wrong codes count as failed log-ins.

use super::credential::prove;
use super::login_attempt::{self, Attempt};
use crate::Identity;
use crate::auth::totp as codes;
use crate::extract::{InOrganization, Source};
use crate::service::authority::outranks_subject;
use iroko_model::{Invalid, UserId};
use iroko_store::authority::Subject;
use iroko_store::credential::{Credential, credential_by_account};
use iroko_store::login_attempt::Proof;
use iroko_store::{Tx, Wake, totp};
use iroko_web::problem::{Kind, Plain, Problem, Result, Rule};
use iroko_wire::totp::{RecoveryCodes, TotpCode, TotpEnrol, TotpEnrolment, TotpStatus};

/// State of a person's second factor.
pub async fn status(app: &Identity, user: UserId) -> Result<TotpStatus> {
    let found = totp::totp_get(&mut *app.store.connection().await?, user).await?;
    let confirmed_at = found.as_ref().and_then(|found| found.confirmed_at);
    let status = match (&found, confirmed_at) {
        (None, _) => "disabled",
        (Some(_), None) => "pending",
        (Some(_), Some(_)) => "enabled",
    };
    let recovery_codes_left = found.map_or(0, |found| found.recovery_codes_left);
    Ok(TotpStatus { status: status.to_owned(), confirmed_at, recovery_codes_left })
}

/// Begins to set it up: gives a secret that counts once a code of it was right.
pub async fn enrol(app: &Identity, source: &Source, user: UserId, request: TotpEnrol) -> Result<TotpEnrolment> {
    let owner = owner(app, user).await?;
    if owner.password_hash.is_none() {
        let text = "this account has no password: its identity provider asks for second factors";
        return Err(Problem::refuse(Rule::PasswordNone, text));
    }
    let proven = prove(app, source, &owner.username, request.password).await;
    let (_, attempt) = proven.map_err(|problem| match problem.kind() {
        Kind::Unauthorized => Problem::field("/password", Invalid::new("password_wrong", "this is not your password")),
        _ => problem,
    })?;
    let secret = codes::secret();
    let (base32, uri) = codes::told(&secret, &owner.username).map_err(|e| Problem::internal(&e))?;
    let sealed =
        codes::seal(&app.credentials.secrets, &user.to_string(), &secret).map_err(|e| Problem::internal(&e))?;
    let mut tx = app.store.begin().await?;
    attempt.succeeded(&mut tx).await?;
    let begun = totp::totp_enrol(&mut tx, user, &sealed, app.credentials.clock.now()).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    if begun {
        Ok(TotpEnrolment { secret: base32, uri })
    } else {
        Err(Problem::refuse(Rule::TotpEnabled, "a second factor is set up already; disable it first"))
    }
}

/// A first code was right: from now on log-ins need one.
pub async fn confirm(app: &Identity, source: &Source, user: UserId, request: TotpCode) -> Result<RecoveryCodes> {
    let state = status(app, user).await?;
    if state.status != "pending" {
        return Err(Problem::refuse(
            Rule::TotpNotPending,
            "no second factor is being set up; begin with POST /v1/auth/totp",
        ));
    }
    let (mut tx, attempt) = with_code(app, source, user, &request.code).await?;
    totp::totp_confirm(&mut tx, user, app.credentials.clock.now()).await?;
    let codes = new_recovery_codes(app, &mut tx, user).await?;
    finish(app, tx, attempt).await?;
    Ok(codes)
}

/// Gives other recovery codes; those there were no longer count.
pub async fn renew_recovery_codes(
    app: &Identity,
    source: &Source,
    user: UserId,
    request: TotpCode,
) -> Result<RecoveryCodes> {
    enabled(app, user).await?;
    let (mut tx, attempt) = with_code(app, source, user, &request.code).await?;
    let codes = new_recovery_codes(app, &mut tx, user).await?;
    finish(app, tx, attempt).await?;
    Ok(codes)
}

/// Gives the second factor up.
pub async fn disable(app: &Identity, source: &Source, user: UserId, request: TotpCode) -> Result<()> {
    enabled(app, user).await?;
    let (mut tx, attempt) = with_code(app, source, user, &request.code).await?;
    totp::totp_delete(&mut tx, user).await?;
    finish(app, tx, attempt).await
}

/// Takes another person's second factor away: for one who has lost telephone and recovery codes.
pub async fn reset(app: &Identity, within: &InOrganization, user: UserId) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let owner = credential_by_account(&mut tx, user).await?;
    owner.filter(|owner| owner.organization_id == within.organization).ok_or(Problem::new(Plain::NotFound))?;
    outranks_subject(&mut tx, &within.actor, Subject::User(user)).await?;
    if !totp::totp_delete(&mut tx, user).await? {
        return Err(Problem::new(Plain::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}

/// True where the person's log-ins need a code.
pub async fn is_needed(app: &Identity, user: UserId) -> Result<bool> {
    Ok(status(app, user).await?.status == "enabled")
}

/// Uses up a code of the authenticator or a recovery code. The caller keeps the transaction only if it
/// was right.
pub async fn take_code(app: &Identity, tx: &mut Tx, user: UserId, code: &str) -> Result<bool> {
    let now = app.credentials.clock.now();
    if !totp::totp_lock(tx, user).await? {
        return Ok(false);
    }
    let Some(found) = totp::totp_get(tx, user).await? else { return Ok(false) };
    let secrets = &app.credentials.secrets;
    let secret = codes::open(secrets, &user.to_string(), &found.sealed).map_err(|e| Problem::internal(&e))?;
    if let Some(step) = codes::step(&secret, code.trim(), now) {
        return Ok(totp::totp_accept(tx, user, step).await?);
    }
    match codes::recovery_hash(&app.credentials.recovery, code) {
        Some(hash) => Ok(totp::recovery_code_use(tx, user, &hash, now).await?),
        None => Ok(false),
    }
}

/// Uses a code up; the transaction that did is for what it allows, and ends with [`finish`].
async fn with_code(app: &Identity, source: &Source, user: UserId, code: &str) -> Result<(Tx, Attempt)> {
    let owner = owner(app, user).await?;
    let attempt = login_attempt::begin(app, &owner.username, source, Proof::Code).await?;
    let mut tx = app.store.begin().await?;
    if take_code(app, &mut tx, user, code).await? {
        return Ok((tx, attempt));
    }
    drop(tx);
    attempt.failed(app).await?;
    Err(Problem::field("/code", Invalid::new("code_wrong", "the code is wrong or was used before")))
}

async fn finish(app: &Identity, mut tx: Tx, attempt: Attempt) -> Result<()> {
    attempt.succeeded(&mut tx).await?;
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}

async fn new_recovery_codes(app: &Identity, tx: &mut Tx, user: UserId) -> Result<RecoveryCodes> {
    let recovery_codes = codes::recovery_codes();
    let hashes: Vec<_> =
        recovery_codes.iter().filter_map(|code| codes::recovery_hash(&app.credentials.recovery, code)).collect();
    totp::recovery_codes_replace(tx, user, &hashes).await?;
    Ok(RecoveryCodes { recovery_codes })
}

async fn enabled(app: &Identity, user: UserId) -> Result<()> {
    if is_needed(app, user).await? {
        return Ok(());
    }
    Err(Problem::refuse(Rule::TotpDisabled, "no second factor is set up; begin with POST /v1/auth/totp"))
}

async fn owner(app: &Identity, user: UserId) -> Result<Credential> {
    let mut conn = app.store.connection().await?;
    credential_by_account(&mut conn, user).await?.ok_or_else(crate::auth::policy::disabled)
}
