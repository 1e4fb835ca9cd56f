//! What we believe of an ID token (OpenID Connect Core 1.0, section 3.1.3.7). Pure.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use std::collections::HashSet;
use time::OffsetDateTime;

/// Signatures we take. None, and those with a shared key, are not among them.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// The provider's clock may be off by this.
const LEEWAY_S: i64 = 60;

/// Claims of a person.
pub type Claims = Map<String, Value>;

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// It names a key that we do not know (yet).
    #[error("the ID token is signed with a key that the provider does not publish")]
    UnknownKey,
    /// Its signature, issuer or audience is wrong.
    #[error("the ID token is not the provider's, or not for us")]
    Wrong(#[from] jsonwebtoken::errors::Error),
    /// Signed in a way we do not take.
    #[error("the ID token is signed by an algorithm that is not taken")]
    Algorithm,
    /// It has ended.
    #[error("the ID token has ended, or is not of now")]
    Ended,
    /// It answers another request.
    #[error("the ID token answers another request")]
    Nonce,
    /// It is for somebody else too, and does not say that we asked for it.
    #[error("the ID token was asked for by somebody else")]
    Party,
    /// It does not say who it is about.
    #[error("the ID token names nobody")]
    Subject,
}

/// What a token must say.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// We.
    pub client_id: &'a str,
    /// Of the request that it answers; the device flow has none.
    pub nonce: Option<&'a str>,
    /// Now.
    pub now: OffsetDateTime,
}

/// Checks a token by the provider's published keys.
pub fn check(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let header = jsonwebtoken::decode_header(token)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(IdTokenError::Algorithm);
    }
    let key = key_of(keys, header.kid.as_deref()).ok_or(IdTokenError::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.required_spec_claims = ["iss", "aud", "exp"].map(str::to_owned).into_iter().collect::<HashSet<_>>();
    // By our own clock, below.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_jwk(key)?, &validation)?.claims;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let now = expected.now.unix_timestamp();
    if number("exp").is_none_or(|end| end + LEEWAY_S <= now) || number("iat").is_some_and(|iat| iat - LEEWAY_S > now) {
        return Err(IdTokenError::Ended);
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if expected.nonce.is_some() && text("nonce") != expected.nonce {
        return Err(IdTokenError::Nonce);
    }
    let is_shared = claims.get("aud").and_then(Value::as_array).is_some_and(|aud| aud.len() > 1);
    if is_shared && text("azp").is_none() || text("azp").is_some_and(|party| party != expected.client_id) {
        return Err(IdTokenError::Party);
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(IdTokenError::Subject);
    }
    Ok(claims)
}

/// The key of this name; without a name, the only one there is.
fn key_of<'a>(keys: &'a JwkSet, kid: Option<&str>) -> Option<&'a Jwk> {
    match (kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header};
    use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
    use serde_json::json;

    #[test]
    fn tokens_are_believed_or_not() {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "1", "x": x});
        let keys: JwkSet = serde_json::from_value(json!({"keys": [jwk]})).unwrap();
        let now = OffsetDateTime::now_utc();
        let at = now.unix_timestamp();
        let right = json!({"iss": "https://id", "aud": "us", "sub": "7", "exp": at + 60, "iat": at, "nonce": "n"});
        let sign = |kid: &str, changes: Value| {
            let mut claims = right.clone();
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::EdDSA) };
            let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
            jsonwebtoken::encode(&header, &claims, &key).unwrap()
        };
        let expected = Expected { issuer: "https://id", client_id: "us", nonce: Some("n"), now };
        let judge = |token: &str| check(token, &keys, &expected).map_err(|error| error.to_string());
        assert_eq!(judge(&sign("1", json!({}))).unwrap()["sub"], "7");
        assert!(judge(&sign("1", json!({"aud": ["us"], "azp": "us"}))).is_ok());
        assert!(judge(&sign("1", json!({"exp": at - 59}))).is_ok(), "clocks differ");
        let wrong = [
            (sign("2", json!({})), IdTokenError::UnknownKey),
            (sign("1", json!({"exp": at - 60})), IdTokenError::Ended),
            (sign("1", json!({"iat": at + 61})), IdTokenError::Ended),
            (sign("1", json!({"nonce": "other"})), IdTokenError::Nonce),
            (sign("1", json!({"nonce": null})), IdTokenError::Nonce),
            (sign("1", json!({"aud": ["us", "them"]})), IdTokenError::Party),
            (sign("1", json!({"azp": "them"})), IdTokenError::Party),
            (sign("1", json!({"sub": ""})), IdTokenError::Subject),
        ];
        for (token, error) in wrong {
            assert_eq!(judge(&token), Err(error.to_string()));
        }
        for changes in [json!({"iss": "https://other"}), json!({"aud": "them"})] {
            assert!(matches!(check(&sign("1", changes), &keys, &expected), Err(IdTokenError::Wrong(_))));
        }
        let shared = EncodingKey::from_secret(x.as_bytes());
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &right, &shared).unwrap();
        assert!(matches!(check(&forged, &keys, &expected), Err(IdTokenError::Algorithm)));
        let unnamed = Expected { nonce: None, ..expected };
        assert!(check(&sign("1", json!({"nonce": null})), &keys, &unnamed).is_ok(), "the device flow has no nonce");
    }
}
