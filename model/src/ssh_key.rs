//! Public SSH keys: one line of OpenSSH's `authorized_keys`, checked so that it stays one line and so that
//! OpenSSH takes it. A key that sshd cannot read locks its owner out in silence.
//!
//! What OpenSSH checks when it reads a key (`sshkey_from_blob`) is checked here: the strings of the blob (RFC
//! 4253 section 6.6, RFC 5656 section 3.1, RFC 8709, OpenSSH's `PROTOCOL.u2f`), nothing behind them, the length of
//! an RSA modulus, a point that lies on its curve. A line is written again with single spaces.

use crate::Invalid;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Longest line, in octets: an RSA key of 16384 bits with a comment fits.
pub const SSH_KEY_MAX_OCTETS: usize = 4096;
/// Shortest RSA modulus that sshd takes, and longest number it reads.
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=16384;

const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Checks a public key line (`ssh-ed25519 AAAA... comment`) and returns it with single spaces between its
/// words and none around it.
pub fn parse(text: &str) -> Result<String, Invalid> {
    let refused = |rule, text: String| Err(Invalid::new(rule, text));
    if text.contains("PRIVATE KEY") {
        let text = "this is a private key; send the line of the .pub file and renew the key";
        return refused("ssh_key_private", text.to_owned());
    }
    if text.contains("BEGIN SSH2 PUBLIC KEY") || text.starts_with("PuTTY-User-Key-File") {
        let text = "this is a key in PuTTY's form; send the line that PuTTYgen shows for authorized_keys, or that ssh-keygen -i prints";
        return refused("ssh_key_putty", text.to_owned());
    }
    let line = text.trim();
    // Python, which writes authorized_keys in a guest, ends lines at U+2028 and U+2029 too.
    let ends_line = |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}');
    if line.len() > SSH_KEY_MAX_OCTETS || line.chars().any(ends_line) {
        return refused("ssh_key_line", format!("a public key is one line of at most {SSH_KEY_MAX_OCTETS} characters"));
    }
    let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    let kind = words.first().copied().unwrap_or_default();
    if !KINDS.contains(&kind) {
        return refused(
            "ssh_key_kind",
            format!("the line does not start with a known key type ({})", KINDS.join(", ")),
        );
    }
    let Some(blob) = words.get(1).and_then(|word| blob(word)) else {
        return refused("ssh_key_blob", "the second word of the line is not base64".to_owned());
    };
    match check(kind, &blob) {
        Some(()) => Ok(words.join(" ")),
        None => refused(
            "ssh_key_blob",
            format!(
                "the key is damaged: its data is not a whole key of the type {kind}; copy the line of the .pub file again"
            ),
        ),
    }
}

/// The octets of a key, from the second word of its line; `None` where that is not base64.
pub fn blob(word: &str) -> Option<Vec<u8>> {
    STANDARD.decode(word).ok().filter(|octets| !octets.is_empty())
}

/// `None` where OpenSSH would not take the blob as a key of this kind.
fn check(kind: &str, blob: &[u8]) -> Option<()> {
    let mut rest = blob;
    (string(&mut rest)? == kind.as_bytes()).then_some(())?;
    match kind {
        "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => (string(&mut rest)?.len() == 32).then_some(())?,
        "ssh-rsa" => rsa(string(&mut rest)?, string(&mut rest)?)?,
        "ecdsa-sha2-nistp384" => point("nistp384", &signature::ECDSA_P384_SHA384_ASN1, &mut rest)?,
        "ecdsa-sha2-nistp521" => point("nistp521", &signature::ECDSA_P521_SHA512_ASN1, &mut rest)?,
        _ => point("nistp256", &signature::ECDSA_P256_SHA256_ASN1, &mut rest)?,
    }
    if kind.starts_with("sk-") {
        // The application, `ssh:` unless its owner chose another.
        (!string(&mut rest)?.is_empty()).then_some(())?;
    }
    rest.is_empty().then_some(())
}

/// Takes a string: four octets of length, then its octets.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (string, behind) = behind.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = behind;
    Some(string)
}

/// Bits of a positive number; `None` of one that is negative or nought.
fn bits(number: &[u8]) -> Option<usize> {
    if number.first().is_none_or(|octet| octet & 0x80 != 0) {
        return None;
    }
    let first = number.iter().position(|octet| *octet != 0)?;
    let unused = usize::try_from(number[first].leading_zeros()).ok()?;
    Some((number.len() - first) * 8 - unused)
}

/// Exponent and modulus, both odd; an even one is no key, however long it is.
fn rsa(exponent: &[u8], modulus: &[u8]) -> Option<()> {
    let is_odd = |number: &[u8]| number.last().is_some_and(|octet| octet & 1 == 1);
    let is_right = bits(exponent)? > 1 && is_odd(exponent) && is_odd(modulus) && RSA_BITS.contains(&bits(modulus)?);
    is_right.then_some(())
}

/// A curve's name and an uncompressed point on it.
fn point(curve: &str, algorithm: &'static dyn VerificationAlgorithm, rest: &mut &[u8]) -> Option<()> {
    (string(rest)? == curve.as_bytes()).then_some(())?;
    let point = string(rest)?;
    // 4: uncompressed, the one form OpenSSH reads (RFC 5656 section 3.1).
    (point.first() == Some(&4)).then_some(())?;
    ParsedPublicKey::new(algorithm, point).ok().map(drop)
}

/// A public key that sshd takes, as an `authorized_keys` line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct PublicKey(String);

impl PublicKey {
    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PublicKey {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        parse(&text).map(Self)
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        crate::checked::deserialize::<String, _, _>(from, || Self(String::new()))
    }
}

#[cfg(test)]
#[path = "ssh_key_tests.rs"]
mod tests;
