//! API keys as text: `iroko_ak_`, 43 letters and digits drawn at random (256 bits), and six of a
//! checksum. A scanner for leaked secrets finds them by `iroko_ak_[0-9A-Za-z]{49}` and knows by the checksum,
//! without asking anybody, that it is none that was made up.
//!
//! What is stored is a plain SHA-256: nobody tries 2^256 keys, so a slow hash as for passwords would
//! slow down nothing but our own requests.

use rand::Rng;
use sha2::{Digest, Sha256};

/// By this a key is known for one.
pub const PREFIX: &str = "iroko_ak_";
const RANDOM_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;
/// Characters of the random part that are shown in lists.
const SHOWN_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key.
pub fn make() -> String {
    let mut rng = rand::rng();
    let random: String = (0..RANDOM_CHARS).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
    let check = checksum(&random);
    format!("{PREFIX}{random}{check}")
}

/// True where the text has the form of a key and its checksum is right.
pub fn is_well_formed(key: &str) -> bool {
    let Some(body) = key.strip_prefix(PREFIX).filter(|body| body.is_ascii()) else { return false };
    body.len() == RANDOM_CHARS + CHECK_CHARS && checksum(&body[..RANDOM_CHARS]) == body[RANDOM_CHARS..]
}

/// What lists show of a key.
pub fn shown(key: &str) -> &str {
    key.get(..PREFIX.len() + SHOWN_CHARS).unwrap_or(PREFIX)
}

/// What is stored of a key.
pub fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key.as_bytes()).to_vec()
}

/// CRC-32 of the random part in base 62, most significant digit first.
fn checksum(random: &str) -> String {
    let mut left = crc32fast::hash(random.as_bytes()) as usize;
    let mut digits = [b'0'; CHECK_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[left % ALPHABET.len()];
        left /= ALPHABET.len();
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_form() {
        let key = make();
        assert!(is_well_formed(&key) && key != make() && key.len() == PREFIX.len() + 49, "{key}");
        assert_eq!((shown(&key), shown(&key).len()), (&key[..15], 15));
        let other = if key.ends_with('0') { "1" } else { "0" };
        let bent = format!("{}{other}", &key[..key.len() - 1]);
        for bad in ["", "iroko_ak_", &key[1..], &key[..57], &bent, &format!("{key}0"), &key.replace("_ak_", "_rt_")] {
            assert!(!is_well_formed(bad), "{bad}");
        }
        assert!(!is_well_formed(&format!("{PREFIX}{}", "é".repeat(24))));
    }

    /// Scanners have this in their rules: it must not change.
    #[test]
    fn the_checksum_is_stable() {
        assert!(
            is_well_formed("iroko_ak_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg37cCQ0"),
            "{}",
            checksum("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg")
        );
    }
}
