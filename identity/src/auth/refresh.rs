//! Refresh tokens: each is exchanged once for an access token and its successor.
//!
//! A successor is the keyed hash of the token it replaces, so that the same answer can be given again
//! though only hashes are stored: an answer may be lost on its way. Whoever comes with an older token
//! has it from somebody: the session ends for both.

use super::secret_box::{BoxError, SecretBox};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_store::session::Presented;
use rand::Rng;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// How long a lost answer is given again.
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

    #[test]
    fn tokens_are_judged() {
        let now = OffsetDateTime::now_utc();
        let fresh = Presented {
            session_id: SessionId::new(),
            account_id: UserId::new(),
            used_at: None,
            is_repeated: false,
            is_revoked: false,
            idle_expires_at: now + Duration::days(1),
            expires_at: now + Duration::days(2),
        };
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
