//! Access tokens: EdDSA JWTs (RFC 7519, RFC 8037) that hold for fifteen minutes.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_model::{OrganizationId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;

/// How long a token holds.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
const ISSUER: &str = "iroko";
const FILE: &str = "token-signing.pem";

/// What a token says: who, and until when. What they may do is looked up at every request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer, always `iroko`.
    pub iss: String,
    /// The person.
    pub sub: UserId,
    /// Their log-in name.
    pub username: String,
    /// Their organization.
    pub org: OrganizationId,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Ends at, seconds since 1970.
    pub exp: i64,
}

/// Why tokens cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The key file cannot be read or written.
    #[error("the token signing key {0} cannot be read or written")]
    File(String, #[source] std::io::Error),
    /// The key is unusable.
    #[error("the token signing key is unusable")]
    Key(#[from] rcgen::Error),
    /// Signing failed.
    #[error("the token could not be signed")]
    Jwt(#[from] jsonwebtoken::errors::Error),
}

/// The key that signs tokens, and what checks them.
pub struct TokenKeys {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    header: Header,
    jwks: serde_json::Value,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeys").field("kid", &self.header.kid).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Reads the key of `state_dir`, or makes it.
    pub fn load(state_dir: &Path) -> Result<Self, TokenError> {
        let path = state_dir.join(FILE);
        let make = || Ok(KeyPair::generate_for(&PKCS_ED25519)?.serialize_pem());
        let pem = crate::agent_link::authority::read_or_make(&path, make, |e| {
            TokenError::File(path.display().to_string(), e)
        })?;
        let pair = KeyPair::from_pem(&pem)?;
        let public = pair.der_bytes().to_vec();
        let x = BASE64_URL_SAFE_NO_PAD.encode(&public);
        let kid = BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(&public)[..12]);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.leeway = 5;
        Ok(Self {
            signing: EncodingKey::from_ed_pem(pem.as_bytes())?,
            checking: DecodingKey::from_ed_components(&x)?,
            validation,
            header: Header { kid: Some(kid.clone()), ..Header::new(Algorithm::EdDSA) },
            jwks: serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}]}),
        })
    }

    /// Makes a token for a person.
    pub fn issue(&self, account: &iroko_store::account::Account) -> Result<String, TokenError> {
        self.issue_at(account, OffsetDateTime::now_utc())
    }

    /// Makes a token as of another moment.
    pub fn issue_at(&self, account: &iroko_store::account::Account, now: OffsetDateTime) -> Result<String, TokenError> {
        let now = now.unix_timestamp();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: account.id,
            username: account.username.clone(),
            org: account.organization_id,
            iat: now,
            exp: now + LIFETIME.as_secs() as i64,
        };
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.signing)?)
    }

    /// What a token says, if it is ours and holds.
    pub fn check(&self, token: &str) -> Option<Claims> {
        jsonwebtoken::decode(token, &self.checking, &self.validation).ok().map(|data| data.claims)
    }

    /// The public keys, as a JWK set (RFC 7517).
    pub const fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let keys = TokenKeys::load(dir.path()).unwrap();
        let account = iroko_store::account::Account {
            id: UserId::new(),
            organization_id: OrganizationId::new(),
            username: "ama".into(),
            password_hash: String::new(),
        };
        let token = keys.issue(&account).unwrap();
        assert_eq!(TokenKeys::load(dir.path()).unwrap().check(&token).unwrap().sub, account.id, "the key is kept");
        let other = TokenKeys::load(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(other.check(&token).is_none() && keys.check("x.y.z").is_none());
        let (head, tail) = token.rsplit_once('.').unwrap();
        let flipped = if tail.starts_with('A') { "B" } else { "A" };
        assert!(keys.check(&format!("{head}.{flipped}{}", &tail[1..])).is_none());
    }
}
