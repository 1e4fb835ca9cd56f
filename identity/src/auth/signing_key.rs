//! The keys that sign access tokens, as a ring in memory, and when they change.
//!
//! ```text
//!   made ──> next ──(published an hour, and the active one is old; or the operator says so)──> active
//!                                                                                                │
//!                    gone <──(every token it signed has ended)── retired <──(another is active)──┘
//! ```
//! A key is published before it signs and until its last token has ended: nobody is logged out, and
//! whoever keeps our JWK set for less than an hour never meets a token of an unknown key.

use super::secret_box::{BoxError, SecretBox};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_store::signing_key::SigningKey as Row;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// How long a token that a key has signed holds.
pub const LIFETIME: std::time::Duration = std::time::Duration::from_secs(15 * 60);
/// How long a key is published before it signs by schedule.
pub const PUBLISHED_FIRST: Duration = Duration::hours(1);
/// Another process may sign with a key this long after it was retired.
const OVERLAP: Duration = Duration::minutes(2);
const PURPOSE: &str = "signing-key";

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be sealed or opened.
    #[error("the signing key {0}")]
    Box(String, #[source] BoxError),
    /// It is no Ed25519 key.
    #[error("the signing key is unusable")]
    Key(#[from] rcgen::Error),
    /// It is no Ed25519 key.
    #[error("the signing key is unusable")]
    Jwt(#[from] jsonwebtoken::errors::Error),
    /// There is none that signs.
    #[error("there is no active signing key")]
    None,
    /// The database.
    #[error("the signing keys cannot be read")]
    Store(#[from] iroko_store::Error),
}

/// A key that is made but not stored yet.
#[derive(Debug)]
pub struct NewKey {
    /// Its name.
    pub kid: String,
    /// The sealed private half.
    pub sealed: Vec<u8>,
}

impl NewKey {
    /// Makes a key.
    pub fn make(secrets: &SecretBox) -> Result<Self, KeyError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519)?;
        let kid = kid(&pair);
        let sealed = secrets.seal(PURPOSE, &kid, pair.serialize_pem().as_bytes());
        Ok(Self { sealed: sealed.map_err(|e| KeyError::Box(kid.clone(), e))?, kid })
    }
}

/// Names a key by its public half, so that a name cannot be moved to another key.
fn kid(pair: &KeyPair) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(pair.der_bytes())[..12])
}

/// A key that is ready for use.
pub struct Key {
    /// Its name.
    pub kid: String,
    /// The private half.
    pub signing: EncodingKey,
    /// The public half.
    pub checking: DecodingKey,
    jwk: Value,
}

impl Key {
    fn open(row: &Row, secrets: &SecretBox) -> Result<Self, KeyError> {
        let told = |e| KeyError::Box(row.kid.clone(), e);
        let pem = secrets.open(PURPOSE, &row.kid, &row.sealed).map_err(told)?;
        let pair = KeyPair::from_pem(std::str::from_utf8(&pem).unwrap_or_default())?;
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": row.kid, "x": x});
        let checking = DecodingKey::from_ed_components(&x)?;
        Ok(Self { kid: row.kid.clone(), signing: EncodingKey::from_ed_pem(&pem)?, checking, jwk })
    }
}

/// The keys that count. Cheap to clone.
#[derive(Clone)]
pub struct Ring {
    keys: Arc<Vec<Key>>,
    active: usize,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.kid)).finish()
    }
}

impl Ring {
    /// Opens the stored keys.
    pub fn open(rows: &[Row], secrets: &SecretBox) -> Result<Self, KeyError> {
        let active = rows.iter().position(|row| row.state == "active").ok_or(KeyError::None)?;
        let keys = rows.iter().map(|row| Key::open(row, secrets)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { keys: Arc::new(keys), active })
    }

    /// The key that signs.
    pub fn active(&self) -> &Key {
        &self.keys[self.active]
    }

    /// The key of this name.
    pub fn key(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The public halves, as a JWK set (RFC 7517).
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys.iter().map(|key| &key.jwk).collect::<Vec<_>>()})
    }
}

/// One change of the keys.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the next key.
    Make,
    /// Let the next key sign.
    Promote,
    /// Forget a key whose tokens have all ended.
    Forget(String),
}

/// The first change that is due, if any; after it, ask again. `every` is how long a key signs.
pub fn due(rows: &[Row], every: Duration, now: OffsetDateTime) -> Option<Step> {
    let of = |state: &str| rows.iter().find(|row| row.state == state);
    let Some(next) = of("next") else { return Some(Step::Make) };
    let Some(active) = of("active") else { return Some(Step::Promote) };
    let is_old = active.activated_at.is_none_or(|since| since + every <= now);
    if is_old && next.created_at + PUBLISHED_FIRST <= now {
        return Some(Step::Promote);
    }
    let ended = |row: &&Row| row.retired_at.is_some_and(|since| since + LIFETIME + OVERLAP <= now);
    rows.iter().find(ended).map(|row| Step::Forget(row.kid.clone()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn row(state: &str, made: OffsetDateTime, since: OffsetDateTime) -> Row {
        Row {
            kid: state.to_owned(),
            state: state.to_owned(),
            sealed: vec![],
            created_at: made,
            activated_at: (state != "next").then_some(since),
            retired_at: (state == "retired").then_some(since),
        }
    }

    /// A ring of one new key.
    pub(crate) fn ring() -> Ring {
        let secrets = SecretBox::load(tempfile::tempdir().unwrap().path()).unwrap();
        let key = NewKey::make(&secrets).unwrap();
        let now = OffsetDateTime::now_utc();
        let row = Row { kid: key.kid, sealed: key.sealed, ..row("active", now, now) };
        Ring::open(&[row], &secrets).unwrap()
    }

    #[test]
    fn each_change_comes_in_its_time() {
        let now = OffsetDateTime::now_utc();
        let ago = |minutes| now - Duration::minutes(minutes);
        let day = 24 * 60;
        let next = |age| row("next", ago(age), now);
        let active = |age| row("active", ago(age), ago(age));
        let retired = |age| row("retired", ago(age), ago(age));
        let table = [
            (vec![], Some(Step::Make)),
            (vec![next(0)], Some(Step::Promote)),
            (vec![active(5)], Some(Step::Make)),
            (vec![active(5), next(5)], None),
            (vec![active(31 * day), next(59)], None),
            (vec![active(31 * day), next(60)], Some(Step::Promote)),
            (vec![active(29 * day), next(29 * day)], None),
            (vec![retired(16), active(16), next(16)], None),
            (vec![retired(17), active(17), next(17)], Some(Step::Forget("retired".into()))),
        ];
        for (rows, wanted) in table {
            assert_eq!(due(&rows, Duration::days(30), now), wanted, "{rows:?}");
        }
    }

    #[test]
    fn a_key_of_another_state_directory_is_told() {
        let secrets = SecretBox::load(tempfile::tempdir().unwrap().path()).unwrap();
        let key = NewKey::make(&secrets).unwrap();
        let now = OffsetDateTime::now_utc();
        let mut row = Row { kid: key.kid, sealed: key.sealed, ..row("active", now, now) };
        assert!(Ring::open(std::slice::from_ref(&row), &secrets).is_ok());
        let other = SecretBox::load(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(matches!(Ring::open(std::slice::from_ref(&row), &other), Err(KeyError::Box(..))));
        // A database administrator cannot put one key in the place of another.
        row.kid = "other".into();
        assert!(matches!(Ring::open(&[row], &secrets), Err(KeyError::Box(..))));
        assert!(matches!(Ring::open(&[], &secrets), Err(KeyError::None)));
    }
}
