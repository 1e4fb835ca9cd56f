//! One-time codes by the time (RFC 6238: SHA-1, six digits, thirty seconds, what every telephone can),
//! and the recovery codes that replace a lost telephone. Pure.

use super::secret_box::{BoxError, SecretBox};
use aws_lc_rs::hmac;
use rand::Rng;
use time::OffsetDateTime;
use totp_rs::{Builder, Secret, Totp};

/// Octets of a secret, as RFC 4226 section 4 recommends.
const SECRET_OCTETS: usize = 20;
/// Steps that a telephone's clock may be off, each way.
const SKEW: u16 = 1;
/// Recovery codes that a person gets.
const RECOVERY_CODES: usize = 10;
/// Letters and digits without l, o, 0 and 1, which are mistaken for others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a recovery code, five bits each: 80 bits.
const RECOVERY_CHARS: usize = 16;
const PURPOSE: &str = "totp";

/// A new secret.
pub fn secret() -> [u8; SECRET_OCTETS] {
    rand::rng().random()
}

/// Seals a person's secret.
pub fn seal(secrets: &SecretBox, owner: &str, secret: &[u8]) -> Result<Vec<u8>, BoxError> {
    secrets.seal(PURPOSE, owner, secret)
}

/// Opens a person's secret.
pub fn open(secrets: &SecretBox, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
    secrets.open(PURPOSE, owner, sealed)
}

fn totp(secret: &[u8]) -> Builder {
    Builder::new().with_secret(secret.to_vec()).with_skew(SKEW)
}

/// The secret in base32, and the address that a telephone reads from a QR code.
pub fn told(secret: &[u8], username: &str) -> Result<(String, String), totp_rs::TotpError> {
    // The address separates issuer and name by a colon.
    let name = username.replace(':', ".");
    let totp: Totp = totp(secret).with_issuer(Some("Iroko")).with_account_name(name).build()?;
    Ok((Secret::from(secret.to_vec()).to_base32(), totp.to_url()?))
}

/// The step whose code this is, around `now`.
pub fn step(secret: &[u8], code: &str, now: OffsetDateTime) -> Option<i64> {
    let seconds = now.unix_timestamp().unsigned_abs();
    let step = totp(secret).build_noncompliant().check(code, seconds)?;
    i64::try_from(step).ok()
}

/// New recovery codes, as `abcd-efgh-jkmn-pqrs`.
pub fn recovery_codes() -> Vec<String> {
    (0..RECOVERY_CODES).map(|_| recovery_code()).collect()
}

fn recovery_code() -> String {
    let mut code = String::with_capacity(RECOVERY_CHARS + RECOVERY_CHARS / 4);
    let mut rng = rand::rng();
    for at in 0..RECOVERY_CHARS {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
    }
    code
}

/// What is stored of a recovery code; `None` for what cannot be one. Hyphens, spaces and capitals are
/// the typist's affair.
pub fn recovery_hash(key: &hmac::Key, code: &str) -> Option<Vec<u8>> {
    let plain: String = code.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    let fits = plain.len() == RECOVERY_CHARS && plain.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| hmac::sign(key, plain.as_bytes()).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    /// RFC 6238 appendix B, the last six of the eight digits there.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(step(secret, code, at(seconds)), Some(seconds / 30));
            assert_eq!(step(secret, code, at(seconds + 30)), Some(seconds / 30), "a little late");
            assert_eq!(step(secret, code, at(seconds + 90)), None);
            assert_eq!(step(b"12345678901234567891", code, at(seconds)), None);
        }
        for bad in ["", "28708", "2870822", "+87082", "28708x", "287082 "] {
            assert_eq!(step(secret, bad, at(59)), None, "{bad}");
        }
    }

    #[test]
    fn telephones_are_told() {
        let (base32, url) = told(b"12345678901234567890", "ama:mensah@lome").unwrap();
        assert_eq!(base32, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(
            url.starts_with("otpauth://totp/Iroko:ama.mensah%40lome?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
            "{url}"
        );
        assert!(url.contains("issuer=Iroko"), "{url}");
    }

    #[test]
    fn recovery_codes_are_found_however_they_are_typed() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let codes = recovery_codes();
        assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), RECOVERY_CODES);
        for code in &codes {
            let hash = recovery_hash(&key, code);
            assert!(hash.is_some() && code.len() == 19, "{code}");
            assert_eq!(hash, recovery_hash(&key, &code.to_uppercase().replace('-', " ")));
        }
        for bad in ["", "123456", "abcd-efgh-jkmn-pqr", "abcd-efgh-jkmn-pqré"] {
            assert_eq!(recovery_hash(&key, bad), None, "{bad}");
        }
    }
}
