//! Log-in by an identity provider: in a browser by a code (with PKCE, RFC 7636), on other devices by the
//! device flow (RFC 8628). Nothing is stored between two steps: what must be remembered is sealed and
//! given to the browser as a cookie, or to the device as a token.

use super::carrier::Carried;
use super::{identity_provider, session};
use crate::Identity;
use crate::auth::oidc::client::{OidcError, RelyingParty};
use crate::auth::oidc::id_token::{Claims, Expected};
use crate::auth::oidc::rules;
use crate::auth::policy;
use crate::extract::Source;
use crate::show::identity_provider::rules as rules_of;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_model::{IdentityProviderId, Invalid};
use iroko_store::Error;
use iroko_store::credential::credential_by_account;
use iroko_store::identity_provider::{
    IdentityProvider, account_groups_map, account_of_provider, identity_provider_find,
};
use iroko_web::problem::{Kind, Plain, Problem, Result, Rule};
use iroko_wire::auth::TokenResponse;
use iroko_wire::oidc::{OidcCallback, OidcDevice, OidcDeviceToken, OidcStart};
use rand::Rng;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a person may take to log in at the provider.
const FLOW_LIFE_S: i64 = 10 * 60;
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CODE: &str = "oidc-code";
const DEVICE: &str = "oidc-device";

/// What a log-in in a browser must remember, in the browser's cookie.
#[derive(Debug, Serialize, Deserialize)]
struct CodeFlow {
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    ends: i64,
}

/// What a log-in on a device must remember.
#[derive(Debug, Serialize, Deserialize)]
struct DeviceFlow {
    device_code: String,
    interval: u64,
    ends: i64,
}

/// Where to send the browser, and its cookie.
#[derive(Debug)]
pub struct Started {
    /// The provider's page.
    pub location: String,
    /// The sealed flow.
    pub cookie: String,
    /// The cookie may travel over TLS only.
    pub is_secure: bool,
}

/// Begins a log-in in a browser.
pub async fn start(app: &Identity, id: IdentityProviderId, request: OidcStart) -> Result<Started> {
    let provider = provider(app, id).await?;
    if !provider.redirect_uris.contains(&request.redirect_uri) {
        let text = "redirect_uri is none of the provider's redirect_uris; the organization's owner can add it";
        return Err(Problem::field("redirect_uri", Invalid::new("redirect_unknown", text)));
    }
    let discovery = app.credentials.oidc.discovery(&provider.issuer).await.map_err(told)?;
    let ends = app.credentials.clock.now().unix_timestamp() + FLOW_LIFE_S;
    let flow =
        CodeFlow { state: random(), nonce: random(), verifier: random(), redirect_uri: request.redirect_uri, ends };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(flow.verifier.as_bytes()));
    let mut location: Url = discovery.authorization_endpoint.parse().map_err(|_| misconfigured())?;
    location.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", &flow.redirect_uri),
        ("scope", &provider.scopes.join(" ")),
        ("state", &flow.state),
        ("nonce", &flow.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let is_secure = flow.redirect_uri.starts_with("https:");
    Ok(Started { location: location.into(), cookie: seal(app, CODE, id, &flow)?, is_secure })
}

/// Finishes a log-in in a browser; `cookie` is the one it began with.
pub async fn callback<A: Carried>(
    app: &Identity,
    source: &Source,
    id: IdentityProviderId,
    cookie: Option<&str>,
    request: OidcCallback,
) -> Result<A> {
    let refused = || {
        Problem::refuse(Rule::LoginElsewhere, "this log-in was not begun in this browser, or too long ago; begin anew")
    };
    let provider = provider(app, id).await?;
    let flow: CodeFlow = cookie.and_then(|cookie| open(app, CODE, id, cookie)).ok_or_else(refused)?;
    if flow.state != request.state || flow.ends <= app.credentials.clock.now().unix_timestamp() {
        return Err(refused());
    }
    if request.iss.is_some_and(|iss| iss != provider.issuer) {
        return Err(refused());
    }
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", &request.code),
        ("redirect_uri", &flow.redirect_uri),
        ("code_verifier", &flow.verifier),
    ];
    log_in(app, source, &provider, &grant, Some(&flow.nonce)).await
}

/// Begins a log-in on a device without a browser.
pub async fn device(app: &Identity, id: IdentityProviderId) -> Result<OidcDevice> {
    let provider = provider(app, id).await?;
    let secret = secret(app, &provider)?;
    let (party, scope) = (party(&provider, secret.as_deref()), provider.scopes.join(" "));
    let begun = app.credentials.oidc.device(&party, &scope).await.map_err(told)?;
    let life = i64::try_from(begun.expires_in).unwrap_or(FLOW_LIFE_S).min(FLOW_LIFE_S);
    let ends = app.credentials.clock.now().unix_timestamp() + life;
    let interval = begun.interval.clamp(1, 60);
    let flow = DeviceFlow { device_code: begun.device_code, interval, ends };
    Ok(OidcDevice {
        device_token: seal(app, DEVICE, id, &flow)?,
        user_code: begun.user_code,
        verification_uri: begun.verification_uri,
        verification_uri_complete: begun.verification_uri_complete,
        interval_s: interval,
        expires_in_s: life.unsigned_abs(),
    })
}

/// Asks whether the person has logged in.
pub async fn device_token(
    app: &Identity,
    source: &Source,
    id: IdentityProviderId,
    request: OidcDeviceToken,
) -> Result<TokenResponse> {
    let provider = provider(app, id).await?;
    let flow: Option<DeviceFlow> = open(app, DEVICE, id, &request.device_token);
    let flow = flow.filter(|flow| flow.ends > app.credentials.clock.now().unix_timestamp());
    let flow = flow.ok_or_else(|| Problem::refuse(Rule::LoginEnded, "this log-in has ended; begin anew"))?;
    let grant = [("grant_type", DEVICE_GRANT), ("device_code", &flow.device_code)];
    log_in(app, source, &provider, &grant, None).await.map_err(|problem| match problem.kind() {
        Kind::AuthorizationPending => problem.retry_after(Duration::from_secs(flow.interval)),
        _ => problem,
    })
}

/// From a grant to a session.
async fn log_in<A: Carried>(
    app: &Identity,
    source: &Source,
    provider: &IdentityProvider,
    grant: &[(&str, &str)],
    nonce: Option<&str>,
) -> Result<A> {
    let secret = secret(app, provider)?;
    let tokens = app.credentials.oidc.tokens(&party(provider, secret.as_deref()), grant).await.map_err(told)?;
    let now = app.credentials.clock.now();
    let expected = Expected { issuer: &provider.issuer, client_id: &provider.client_id, nonce, now };
    let claims = app.credentials.oidc.claims(&tokens, &expected).await.map_err(told)?;
    begin(app, source, provider, &claims).await
}

/// The account of these claims, made at the first log-in, in the groups that they say.
async fn begin<A: Carried>(app: &Identity, source: &Source, provider: &IdentityProvider, claims: &Claims) -> Result<A> {
    let rules = rules_of(provider);
    let groups = rules::groups(&rules, claims);
    if provider.rule_required && groups.is_empty() {
        let text =
            "your identity provider vouches for you, but no rule lets you in here; ask your organization's owner";
        return Err(Problem::refuse(Rule::LoginNoRule, text));
    }
    let username = rules::username(&provider.username_prefix, &provider.username_claim, claims);
    let username = username.ok_or_else(|| {
        let text = format!("your identity provider gives no usable claim {}", provider.username_claim);
        Problem::refuse(Rule::LoginNoName, text)
    })?;
    let subject = claims.get("sub").and_then(serde_json::Value::as_str).unwrap_or_default();
    if subject.contains('\0') {
        return Err(not_vouched());
    }
    let mut tx = app.store.begin().await?;
    let account = account_of_provider(&mut tx, provider, subject, &username).await.map_err(|error| match error {
        Error::Taken(_) => {
            let text = "your user name is taken; your organization's owner can give the provider a username_prefix";
            Problem::refuse(Rule::UsernameTaken, text)
        }
        error => error.into(),
    })?;
    let mapped: Vec<_> = rules.iter().map(|rule| rule.group_id).collect();
    account_groups_map(&mut tx, account, &mapped, &groups).await?;
    let person = credential_by_account(&mut tx, account).await?.filter(|person| !person.is_disabled);
    let person = person.ok_or_else(policy::disabled)?;
    session::begin(app, tx, source, &person, "oidc", None).await
}

/// A provider that people may log in by.
async fn provider(app: &Identity, id: IdentityProviderId) -> Result<IdentityProvider> {
    let mut conn = app.store.connection().await?;
    let found = identity_provider_find(&mut conn, id).await?.filter(|found| found.disabled_at.is_none());
    found.ok_or(Problem::new(Plain::NotFound))
}

fn secret(app: &Identity, provider: &IdentityProvider) -> Result<Option<String>> {
    let Some(sealed) = &provider.sealed_secret else { return Ok(None) };
    let opened = app.credentials.secrets.open(identity_provider::PURPOSE, &provider.id.to_string(), sealed);
    let opened = opened.map_err(|e| Problem::internal(&e))?;
    Ok(String::from_utf8(opened).ok())
}

fn party<'a>(provider: &'a IdentityProvider, secret: Option<&'a str>) -> RelyingParty<'a> {
    RelyingParty { issuer: &provider.issuer, client_id: &provider.client_id, secret }
}

fn random() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>())
}

fn seal<T: Serialize>(app: &Identity, purpose: &str, id: IdentityProviderId, flow: &T) -> Result<String> {
    let plain = serde_json::to_vec(flow).map_err(|e| Problem::internal(&e))?;
    let sealed = app.credentials.secrets.seal(purpose, &id.to_string(), &plain).map_err(|e| Problem::internal(&e))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed))
}

fn open<T: DeserializeOwned>(app: &Identity, purpose: &str, id: IdentityProviderId, text: &str) -> Option<T> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let plain = app.credentials.secrets.open(purpose, &id.to_string(), &sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

fn not_vouched() -> Problem {
    Problem::refuse(Rule::LoginNotVouched, "the identity provider does not vouch for this log-in; begin anew")
}

fn misconfigured() -> Problem {
    Problem::refuse(
        Rule::ProviderMisconfigured,
        "the identity provider says of itself what cannot be; tell whoever runs it",
    )
}

/// What the caller learns of a provider's failure; the rest is for the log.
fn told(error: OidcError) -> Problem {
    if let OidcError::Refused(code) = &error
        && matches!(code.as_str(), "authorization_pending" | "slow_down")
    {
        let text = "the person has not logged in yet; wait as long as Retry-After says, then ask again";
        return Problem::refuse(Rule::AuthorizationPending, text);
    }
    tracing::warn!(error = %iroko_daemon::chain(&error), request_id = %iroko_web::problem::request_id(), "a log-in by an identity provider failed");
    match error {
        OidcError::Refused(_) | OidcError::IdToken(_) => not_vouched(),
        OidcError::Silent(_) => {
            Problem::refuse(Rule::ProviderSilent, "the identity provider does not answer; try again later")
        }
        OidcError::Unreachable(_) | OidcError::Answer(_) => misconfigured(),
    }
}
