//! Secrets at rest: sealed with a key of the state directory, so that a copy of the database alone
//! opens nothing. AES-256-GCM with a random nonce (NIST SP 800-38D); what a secret is for and whose it
//! is goes in as associated data, so that a sealed secret cannot be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::Rng;
use std::io;
use std::path::Path;

const FILE: &str = "secret-box.key";
/// First octet of what is sealed, so that another construction can follow one day.
const VERSION: u8 = 1;

/// Why the box is of no use.
#[derive(Debug, thiserror::Error)]
pub enum BoxError {
    /// The key file cannot be read or written.
    #[error("the key file {0} cannot be read or written")]
    File(String, #[source] io::Error),
    /// The key file holds something else.
    #[error("the key file {0} does not hold 32 octets in base64")]
    Key(String),
    /// Sealed with another key, for something else, or altered.
    #[error("a sealed secret does not open: is {FILE} of state_dir the one that sealed it?")]
    Sealed,
    /// The cipher refused.
    #[error("the cipher failed")]
    Cipher,
}

/// See the module.
pub struct SecretBox {
    cipher: RandomizedNonceKey,
    root: hkdf::Prk,
}

impl std::fmt::Debug for SecretBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretBox").finish_non_exhaustive()
    }
}

impl SecretBox {
    /// Reads the key of `state_dir`, or makes it.
    pub fn load(state_dir: &Path) -> Result<Self, BoxError> {
        let path = state_dir.join(FILE);
        let shown = path.display().to_string();
        let make = || Ok(BASE64_STANDARD.encode(rand::rng().random::<[u8; 32]>()));
        let text = iroko_daemon::private::read_or_make(&path, make, |e| BoxError::File(shown.clone(), e))?;
        let key = BASE64_STANDARD.decode(text.trim()).ok().filter(|key| key.len() == 32);
        let root = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &key.ok_or(BoxError::Key(shown))?);
        let mut key = [0; 32];
        fill(&root, b"seal", &mut key)?;
        Ok(Self { cipher: RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| BoxError::Cipher)?, root })
    }

    /// Seals a secret for one purpose and one owner.
    pub fn seal(&self, purpose: &str, owner: &str, secret: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut text = secret.to_vec();
        let nonce = self.cipher.seal_in_place_append_tag(Aad::from(bound_to(purpose, owner)), &mut text);
        let nonce = nonce.map_err(|_| BoxError::Cipher)?;
        Ok([&[VERSION], nonce.as_ref().as_slice(), &text].concat())
    }

    /// Opens what was sealed for this purpose and owner.
    pub fn open(&self, purpose: &str, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
        let Some((&VERSION, rest)) = sealed.split_first() else { return Err(BoxError::Sealed) };
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(BoxError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BoxError::Sealed)?;
        let mut text = text.to_vec();
        let aad = Aad::from(bound_to(purpose, owner));
        let secret = self.cipher.open_in_place(nonce, aad, &mut text).map_err(|_| BoxError::Sealed)?;
        Ok(secret.to_vec())
    }

    /// A key for message authentication, of its own for each purpose.
    pub fn mac_key(&self, purpose: &str) -> Result<hmac::Key, BoxError> {
        let mut key = [0; 32];
        fill(&self.root, purpose.as_bytes(), &mut key)?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }
}

fn bound_to(purpose: &str, owner: &str) -> String {
    format!("{purpose}\0{owner}")
}

/// HKDF-Expand (RFC 5869).
fn fill(root: &hkdf::Prk, purpose: &[u8], key: &mut [u8; 32]) -> Result<(), BoxError> {
    let info = [purpose];
    let okm = root.expand(&info, hkdf::HKDF_SHA256).map_err(|_| BoxError::Cipher)?;
    okm.fill(key).map_err(|_| BoxError::Cipher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = SecretBox::load(dir.path()).unwrap();
        let sealed = first.seal("totp", "ama", b"secret").unwrap();
        assert_ne!(sealed, first.seal("totp", "ama", b"secret").unwrap(), "no nonce comes twice");
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        let again = SecretBox::load(dir.path()).unwrap();
        assert_eq!(again.open("totp", "ama", &sealed).unwrap(), b"secret");
        let other = SecretBox::load(tempfile::tempdir().unwrap().path()).unwrap();
        let mut bent = sealed.clone();
        *bent.last_mut().unwrap() ^= 1;
        for refused in [
            again.open("totp", "kofi", &sealed),
            again.open("key", "ama", &sealed),
            again.open("totp", "ama", &bent),
            again.open("totp", "ama", &sealed[..9]),
            again.open("totp", "ama", b""),
            other.open("totp", "ama", &sealed),
        ] {
            assert!(matches!(refused, Err(BoxError::Sealed)));
        }
    }

    #[test]
    fn keys_differ_by_purpose_and_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tag = |purpose| {
            let key = SecretBox::load(dir.path()).unwrap().mac_key(purpose).unwrap();
            hmac::sign(&key, b"x").as_ref().to_vec()
        };
        assert_eq!(tag("refresh"), tag("refresh"));
        assert_ne!(tag("refresh"), tag("seal"));
    }

    #[test]
    fn a_spoilt_key_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "nonsense").unwrap();
        assert!(matches!(SecretBox::load(dir.path()), Err(BoxError::Key(_))));
    }
}
