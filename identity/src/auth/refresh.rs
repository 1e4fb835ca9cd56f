//! Refresh tokens: each is exchanged once for an access token and its successor. And the secrets in the cookies of sessions,
//! each of which is replaced by its successor after a while.
//!
//! A successor is the keyed hash of the token it replaces, so that the same answer can be given again
//! though only hashes are stored: an answer may be lost on its way. Whoever comes with an older token
//! has it from somebody: the session ends for both.

use super::secret_box::{BoxError, SecretBox};
use super::signing_key::LIFETIME;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_store::session::Presented;
use rand::Rng;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// How long a lost answer is given again, and how long a browser may still send the cookie that was replaced.
pub const LOST_ANSWER: Duration = Duration::seconds(30);
/// By this a token is known for one.
const PREFIX: &str = "iroko_rt_";

/// Makes refresh tokens.
#[derive(Debug)]
pub struct RefreshTokens(hmac::Key);

impl RefreshTokens {
    /// With a key of the box.
    pub fn new(secrets: &SecretBox) -> Result<Self, BoxError> {
        Ok(Self(secrets.mac_key("refresh-token")?))
    }

    /// The first token of a session: 256 random bits.
    pub fn first(&self) -> String {
        text(&rand::rng().random::<[u8; 32]>())
    }

    /// The token that follows this one.
    pub fn successor(&self, token: &str) -> String {
        text(hmac::sign(&self.0, token.as_bytes()).as_ref())
    }
}

fn text(octets: &[u8]) -> String {
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(octets))
}

/// What is stored of a token. It has 256 bits that nobody can guess, so a plain hash is enough.
pub fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// What becomes of a presented token.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the current one: exchange it.
    Exchange,
    /// Its successor got lost on the way: give the same again, once.
    Repeat,
    /// It was used before: somebody else has it too.
    Reused,
    /// Its session has ended.
    Ended,
}

/// Judges a presented token. `successor_is_current`: nobody has used what was given for it.
pub fn judge(token: &Presented, successor_is_current: bool, now: OffsetDateTime) -> Verdict {
    if token.is_revoked || token.expires_at <= now || token.idle_expires_at <= now {
        return Verdict::Ended;
    }
    match token.used_at {
        None => Verdict::Exchange,
        Some(used) if successor_is_current && !token.is_repeated && now - used <= LOST_ANSWER => Verdict::Repeat,
        Some(_) => Verdict::Reused,
    }
}

/// What becomes of a presented cookie.
#[derive(Debug, PartialEq, Eq)]
pub enum CookieVerdict {
    /// It is the current one.
    Holds,
    /// It is the current one and old: its successor goes out with the answer.
    Renew,
    /// It was replaced a moment ago, by another request of the same browser. Its successor goes out again.
    Passed,
    /// It was replaced before: somebody else has it too.
    Reused,
    /// Its session has ended.
    Ended,
}

/// Judges a presented cookie. Browsers send several requests at once, so that one which was just replaced holds for any number
/// of them.
pub fn judge_cookie(secret: &Presented, now: OffsetDateTime) -> CookieVerdict {
    if secret.is_revoked || secret.expires_at <= now || secret.idle_expires_at <= now {
        return CookieVerdict::Ended;
    }
    match secret.used_at {
        None if now - secret.renewed_at < LIFETIME => CookieVerdict::Holds,
        None => CookieVerdict::Renew,
        Some(used) if now - used <= LOST_ANSWER => CookieVerdict::Passed,
        Some(_) => CookieVerdict::Reused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iroko_model::{SessionId, UserId};

    #[test]
    fn successors_are_the_same_each_time_and_for_us_only() {
        let tokens = || RefreshTokens::new(&SecretBox::load(tempfile::tempdir().unwrap().path()).unwrap()).unwrap();
        let (ours, theirs) = (tokens(), tokens());
        let first = ours.first();
        assert!(first.starts_with(PREFIX) && first.len() == PREFIX.len() + 43 && first != ours.first());
        assert_eq!(ours.successor(&first), ours.successor(&first));
        assert_ne!(ours.successor(&first), theirs.successor(&first));
    }

    fn fresh(now: OffsetDateTime) -> Presented {
        Presented {
            session_id: SessionId::new(),
            account_id: UserId::new(),
            carrier: "token".to_owned(),
            renewed_at: now,
            used_at: None,
            is_repeated: false,
            is_revoked: false,
            idle_expires_at: now + Duration::days(1),
            expires_at: now + Duration::days(2),
        }
    }

    #[test]
    fn cookies_are_judged() {
        let now = OffsetDateTime::now_utc();
        let given = |minutes| Presented { renewed_at: now - Duration::minutes(minutes), ..fresh(now) };
        let used = |seconds| Presented { used_at: Some(now - Duration::seconds(seconds)), ..fresh(now) };
        let table = [
            (given(0), CookieVerdict::Holds),
            (given(14), CookieVerdict::Holds),
            (given(15), CookieVerdict::Renew),
            (used(0), CookieVerdict::Passed),
            (used(30), CookieVerdict::Passed),
            (used(31), CookieVerdict::Reused),
            (Presented { is_repeated: true, ..used(1) }, CookieVerdict::Passed),
            (Presented { is_revoked: true, ..given(0) }, CookieVerdict::Ended),
            (Presented { is_revoked: true, ..used(900) }, CookieVerdict::Ended),
            (Presented { idle_expires_at: now, ..given(20) }, CookieVerdict::Ended),
            (Presented { expires_at: now, ..used(1) }, CookieVerdict::Ended),
        ];
        for (secret, wanted) in table {
            assert_eq!(judge_cookie(&secret, now), wanted, "{secret:?}");
        }
    }

    #[test]
    fn tokens_are_judged() {
        let now = OffsetDateTime::now_utc();
        let fresh = fresh(now);
        let used = |seconds| Presented { used_at: Some(now - Duration::seconds(seconds)), ..fresh.clone() };
        let table = [
            (fresh.clone(), false, Verdict::Exchange),
            (used(30), true, Verdict::Repeat),
            (used(31), true, Verdict::Reused),
            (used(1), false, Verdict::Reused),
            (Presented { is_repeated: true, ..used(1) }, true, Verdict::Reused),
            (Presented { is_revoked: true, ..fresh.clone() }, false, Verdict::Ended),
            (Presented { is_revoked: true, ..used(900) }, false, Verdict::Ended),
            (Presented { idle_expires_at: now, ..fresh.clone() }, false, Verdict::Ended),
            (Presented { expires_at: now, ..fresh.clone() }, false, Verdict::Ended),
        ];
        for (token, successor_is_current, wanted) in table {
            assert_eq!(judge(&token, successor_is_current, now), wanted, "{token:?}");
        }
    }
}
