//! What we ask providers: discovery, keys, tokens, userinfo, device codes. Everything is bounded: who may
//! be asked ([`Reach`]), time, size, redirects (none), and how long an answer is remembered.

use super::id_token::{self, Claims, Expected, IdTokenError};
use super::reach::{Reach, Unreachable};
use jsonwebtoken::jwk::JwkSet;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest time for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer.
const ANSWER_MAX_BYTES: usize = 1 << 20;
/// How long discovery and keys are remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// A token of an unknown key makes us look for new keys, but not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Most providers that are remembered.
const PROVIDERS_MAX: usize = 1024;

/// Why a provider was of no help.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// It is not asked at all.
    #[error("the identity provider is not asked: {0}")]
    Unreachable(#[from] Unreachable),
    /// It does not answer.
    #[error("the identity provider does not answer")]
    Silent(#[source] reqwest::Error),
    /// It answers what nobody understands.
    #[error("the identity provider's answer is not what OpenID Connect says: {0}")]
    Answer(String),
    /// It refuses, by an error code of OAuth.
    #[error("the identity provider refuses: {0}")]
    Refused(String),
    /// Its ID token is not believed.
    #[error("the ID token is not believed")]
    IdToken(#[from] IdTokenError),
}

/// What a provider says of itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Discovery {
    /// Its name.
    pub issuer: String,
    /// Where people log in.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where more claims are.
    pub userinfo_endpoint: Option<String>,
    /// Where the device flow begins.
    pub device_authorization_endpoint: Option<String>,
}

/// How we present ourselves to a provider.
#[derive(Debug)]
pub struct RelyingParty<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// What it calls us.
    pub client_id: &'a str,
    /// What we prove that with.
    pub secret: Option<&'a str>,
}

/// Tokens of a provider.
#[derive(Debug, Deserialize)]
pub struct Tokens {
    /// For userinfo.
    pub access_token: String,
    /// Who logged in.
    pub id_token: Option<String>,
}

/// A device flow that has begun.
#[derive(Debug, Deserialize)]
pub struct Device {
    /// For us.
    pub device_code: String,
    /// For the person.
    pub user_code: String,
    /// Where the person types it.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// Seconds it holds.
    pub expires_in: u64,
    /// Seconds between two questions.
    #[serde(default = "default_interval")]
    pub interval: u64,
}

const fn default_interval() -> u64 {
    5
}

#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Clone)]
struct Remembered {
    discovery: Arc<Discovery>,
    keys: Arc<JwkSet>,
    read_at: Instant,
}

/// Asks providers.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    reach: Reach,
    known: Arc<Mutex<HashMap<String, Remembered>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that asks whom `reach` allows.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve names by itself.
            .no_proxy()
            .dns_resolver(Arc::new(reach.clone()))
            .user_agent(concat!("iroko/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, reach, known: Arc::default() })
    }

    /// Checks a provider's address as far as can be seen without asking.
    pub fn check_issuer(&self, issuer: &str) -> Result<(), OidcError> {
        let url = self.url(issuer)?;
        if url.query().is_some() { Err(Unreachable::Form.into()) } else { Ok(()) }
    }

    /// What the provider says of itself.
    pub async fn discovery(&self, issuer: &str) -> Result<Arc<Discovery>, OidcError> {
        Ok(self.remembered(issuer, REMEMBERED).await?.discovery)
    }

    /// Exchanges a code, or asks for the tokens of a device.
    pub async fn tokens(&self, party: &RelyingParty<'_>, grant: &[(&str, &str)]) -> Result<Tokens, OidcError> {
        let discovery = self.discovery(party.issuer).await?;
        answer(self.post(&discovery.token_endpoint, party, grant)?).await
    }

    /// Begins a device flow.
    pub async fn device(&self, party: &RelyingParty<'_>, scope: &str) -> Result<Device, OidcError> {
        let discovery = self.discovery(party.issuer).await?;
        let endpoint = discovery.device_authorization_endpoint.as_deref();
        let endpoint = endpoint.ok_or_else(|| OidcError::Answer("it offers no device flow".to_owned()))?;
        answer(self.post(endpoint, party, &[("scope", scope)])?).await
    }

    /// Claims of the person that tokens are of: those of the ID token, and of userinfo where there is one.
    pub async fn claims(&self, tokens: &Tokens, expected: &Expected<'_>) -> Result<Claims, OidcError> {
        let token = tokens.id_token.as_deref().ok_or_else(|| OidcError::Answer("it gives no ID token".to_owned()))?;
        let mut known = self.remembered(expected.issuer, REMEMBERED).await?;
        let mut checked = id_token::check(token, &known.keys, expected);
        if matches!(checked, Err(IdTokenError::UnknownKey)) {
            known = self.remembered(expected.issuer, LOOK_AGAIN).await?;
            checked = id_token::check(token, &known.keys, expected);
        }
        let mut claims = checked?;
        if let Some(endpoint) = &known.discovery.userinfo_endpoint {
            let more: Claims = answer(self.http.get(self.url(endpoint)?).bearer_auth(&tokens.access_token)).await?;
            // An answer about somebody else must not be mixed in (section 5.3.2).
            if more.get("sub") != claims.get("sub") {
                return Err(OidcError::Answer("its userinfo is about somebody else".to_owned()));
            }
            claims.extend(more);
        }
        Ok(claims)
    }

    /// Discovery and keys, not older than `at_most`.
    async fn remembered(&self, issuer: &str, at_most: Duration) -> Result<Remembered, OidcError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned();
        if let Some(known) = known.filter(|known| known.read_at.elapsed() < at_most) {
            return Ok(known);
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = self.url(&format!("{base}/.well-known/openid-configuration"))?;
        let discovery: Discovery = answer(self.http.get(url)).await?;
        if discovery.issuer != issuer {
            return Err(OidcError::Answer(format!("it calls itself {:?}", discovery.issuer)));
        }
        let keys: JwkSet = answer(self.http.get(self.url(&discovery.jwks_uri)?)).await?;
        let found = Remembered { discovery: Arc::new(discovery), keys: Arc::new(keys), read_at: Instant::now() };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PROVIDERS_MAX {
            all.clear();
        }
        all.insert(issuer.to_owned(), found.clone());
        Ok(found)
    }

    fn url(&self, text: &str) -> Result<Url, OidcError> {
        let url: Url = text.parse().map_err(|_| Unreachable::Form)?;
        self.reach.check(&url)?;
        Ok(url)
    }

    /// A form, with our secret in the header where we have one (`client_secret_basic`).
    fn post(
        &self,
        endpoint: &str,
        party: &RelyingParty<'_>,
        fields: &[(&str, &str)],
    ) -> Result<RequestBuilder, OidcError> {
        let mut form = fields.to_vec();
        form.push(("client_id", party.client_id));
        let request = self.http.post(self.url(endpoint)?);
        let request = match party.secret {
            Some(secret) => request.basic_auth(encoded(party.client_id), Some(encoded(secret))),
            None => request,
        };
        Ok(request.form(&form))
    }
}

/// RFC 6749 section 2.3.1 wants both halves form-encoded before they go into the header.
fn encoded(text: &str) -> String {
    reqwest::Url::parse_with_params("x:", [("", text)])
        .ok()
        .and_then(|url| url.query().map(|query| query.trim_start_matches('=').to_owned()))
        .unwrap_or_default()
}

/// Sends a request and reads its answer, as far as it is not too large.
async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, OidcError> {
    let mut response = request.header("accept", "application/json").send().await.map_err(cause)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(OidcError::Silent)? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_MAX_BYTES {
            return Err(OidcError::Answer("it is too large".to_owned()));
        }
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| OidcError::Answer(error.to_string()));
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => Err(OidcError::Refused(refusal.error)),
        Err(_) => Err(OidcError::Answer(format!("status {}", status.as_u16()))),
    }
}

/// A name that resolves to private addresses only is told as such.
fn cause(error: reqwest::Error) -> OidcError {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(unreachable) = inner.downcast_ref::<Unreachable>() {
            return OidcError::Unreachable(*unreachable);
        }
        source = inner.source();
    }
    OidcError::Silent(error)
}

#[cfg(test)]
mod tests {
    #[test]
    fn secrets_are_encoded_for_the_header() {
        assert_eq!(super::encoded("a b:c%&=é"), "a+b%3Ac%25%26%3D%C3%A9");
    }
}
