//! Access tokens: EdDSA JWTs (RFC 7519, RFC 8037) that hold for fifteen minutes, each of a session.

use super::signing_key::Ring;
use iroko_model::{OrganizationId, SessionId, UserId};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Clocks of several API processes may differ by this.
const LEEWAY_S: i64 = 5;
/// Who issues tokens.
pub const ISSUER: &str = "iroko";

/// What a token says: who, and until when. What they may do is looked up at every request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer, always `iroko`.
    pub iss: String,
    /// The person.
    pub sub: UserId,
    /// Their session; a token of one that has ended does not count.
    pub sid: SessionId,
    /// Their log-in name.
    pub username: String,
    /// Their organization.
    pub org: OrganizationId,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Ends at, seconds since 1970.
    pub exp: i64,
}

/// What becomes of a token.
#[derive(Debug)]
pub enum Checked {
    /// It is ours and holds.
    Holds(Box<Claims>),
    /// It names a key that this process does not know (yet).
    UnknownKey,
    /// It does not hold.
    Refused,
}

impl Ring {
    /// Signs a token.
    pub fn issue(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let active = self.active();
        let header = Header { kid: Some(active.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &active.signing)
    }

    /// What a token says, if it is ours and holds at `now`.
    pub fn check(&self, token: &str, now: OffsetDateTime) -> Checked {
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        let Some(kid) = kid else { return Checked::Refused };
        let Some(key) = self.key(&kid) else { return Checked::UnknownKey };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        // By our own clock, below.
        validation.validate_exp = false;
        match jsonwebtoken::decode::<Claims>(token, &key.checking, &validation) {
            Ok(data) if data.claims.exp + LEEWAY_S > now.unix_timestamp() => Checked::Holds(Box::new(data.claims)),
            _ => Checked::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::signing_key::tests::ring;
    use std::time::Duration;

    fn claims(now: OffsetDateTime) -> Claims {
        Claims {
            iss: ISSUER.into(),
            sub: UserId::new(),
            sid: SessionId::new(),
            username: "ama".into(),
            org: OrganizationId::new(),
            iat: now.unix_timestamp(),
            exp: now.unix_timestamp() + 900,
        }
    }

    #[test]
    fn tokens_are_checked() {
        let now = OffsetDateTime::now_utc();
        let keys = ring();
        let token = keys.issue(&claims(now)).unwrap();
        assert!(matches!(keys.check(&token, now), Checked::Holds(_)));
        assert!(matches!(keys.check(&token, now + Duration::from_secs(904)), Checked::Holds(_)));
        assert!(matches!(keys.check(&token, now + Duration::from_secs(905)), Checked::Refused));
        assert!(matches!(ring().check(&token, now), Checked::UnknownKey));
        assert!(matches!(keys.check("x.y.z", now), Checked::Refused));
        let (head, tail) = token.rsplit_once('.').unwrap();
        let flipped = if tail.starts_with('A') { "B" } else { "A" };
        assert!(matches!(keys.check(&format!("{head}.{flipped}{}", &tail[1..]), now), Checked::Refused));
        let other = Claims { iss: "somebody".into(), ..claims(now) };
        assert!(matches!(keys.check(&keys.issue(&other).unwrap(), now), Checked::Refused));
    }
}
