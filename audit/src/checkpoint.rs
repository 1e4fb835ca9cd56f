//! Checkpoints: signed statements of a tree's size and root, in the text form that transparency logs
//! share (a *signed note*), so that other tools can read them too.
//!
//! ```text
//! iroko/audit/CLUSTER
//! 1234
//! (root, base64)
//! time 2026-11-25T12:00:00Z
//!
//! — iroko/audit/CLUSTER (key hash and Ed25519 signature, base64)
//! ```
//!
//! The *verifier key* that a reader keeps is `NAME+KEYHASH+BASE64(0x01 || public key)`.

use crate::merkle::Hash;
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// Algorithm byte of Ed25519 in notes.
const ED25519_NOTE: u8 = 1;

/// A signed statement of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// When it was signed, RFC 3339.
    pub time: String,
}

/// Why a checkpoint was not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// The text is not a signed note.
    #[error("the checkpoint cannot be read: {0}")]
    Form(&'static str),
    /// The verifier key is not one.
    #[error("the verifier key is not NAME+HASH+KEY of an Ed25519 key")]
    Key,
    /// It is of another log or signed by another key.
    #[error("the checkpoint is not signed by the key of {0}")]
    Signer(String),
    /// Signed by the right name, but the signature does not fit the text.
    #[error("the checkpoint's signature does not fit its text: it was changed")]
    Signature,
}

/// Signs checkpoints.
pub struct Signer {
    origin: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer for the log of this name, with a key in PKCS #8 DER.
    pub fn new(origin: &str, pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        Ok(Self { origin: origin.to_owned(), pair: Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)? })
    }

    /// A new key in PKCS #8 DER.
    pub fn generate() -> Result<Vec<u8>, Unspecified> {
        let rng = aws_lc_rs::rand::SystemRandom::new();
        Ok(Ed25519KeyPair::generate_pkcs8(&rng)?.as_ref().to_vec())
    }

    /// What readers keep to check its signatures.
    pub fn verifier_key(&self) -> String {
        let public = self.pair.public_key().as_ref();
        let hash: String = key_hash(&self.origin, public).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}+{hash}+{}", self.origin, BASE64_STANDARD.encode([&[ED25519_NOTE], public].concat()))
    }

    /// States size and root at a time (RFC 3339).
    pub fn sign(&self, size: u64, root: &Hash, time: &str) -> String {
        let body = format!("{}\n{size}\n{}\ntime {time}\n", self.origin, BASE64_STANDARD.encode(root));
        let hash = key_hash(&self.origin, self.pair.public_key().as_ref());
        let signature = self.pair.sign(body.as_bytes());
        let signed = BASE64_STANDARD.encode([&hash[..], signature.as_ref()].concat());
        format!("{body}\n— {} {signed}\n", self.origin)
    }
}

fn key_hash(name: &str, public: &[u8]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update(b"\n").chain_update([ED25519_NOTE]).chain_update(public);
    let hash: Hash = hash.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Checks signatures of one log.
#[derive(Debug, Clone)]
pub struct Verifier {
    origin: String,
    public: Vec<u8>,
}

impl Verifier {
    /// From a verifier key.
    pub fn new(key: &str) -> Result<Self, CheckpointError> {
        // The key itself may hold '+': only the first two separate.
        let mut parts = key.trim().splitn(3, '+');
        let (Some(origin), Some(hash), Some(public)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(CheckpointError::Key);
        };
        let bytes = BASE64_STANDARD.decode(public).map_err(|_| CheckpointError::Key)?;
        let [ED25519_NOTE, public @ ..] = bytes.as_slice() else { return Err(CheckpointError::Key) };
        let wanted: String = key_hash(origin, public).iter().map(|byte| format!("{byte:02x}")).collect();
        if public.len() != 32 || wanted != hash {
            return Err(CheckpointError::Key);
        }
        Ok(Self { origin: origin.to_owned(), public: public.to_vec() })
    }

    /// Reads a checkpoint and believes it only if this log's key signed it.
    pub fn open(&self, text: &str) -> Result<Checkpoint, CheckpointError> {
        let (body, signatures) = text.split_once("\n\n").ok_or(CheckpointError::Form("no signature"))?;
        let body = format!("{body}\n");
        let mut lines = body.lines();
        let origin = lines.next().unwrap_or_default().to_owned();
        let size = lines.next().and_then(|line| line.parse().ok()).ok_or(CheckpointError::Form("no size"))?;
        let root = lines.next().and_then(|line| BASE64_STANDARD.decode(line).ok()?.try_into().ok());
        let root = root.ok_or(CheckpointError::Form("no root"))?;
        let time = lines.next().and_then(|line| line.strip_prefix("time ")).ok_or(CheckpointError::Form("no time"))?;
        let hash = key_hash(&self.origin, &self.public);
        let signed = |line: &str| {
            let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
            let bytes = BASE64_STANDARD.decode(signature).ok()?;
            (name == self.origin && bytes.get(..4)? == hash).then_some(bytes)
        };
        let signature = signatures.lines().find_map(signed).filter(|_| origin == self.origin);
        let signature = signature.ok_or_else(|| CheckpointError::Signer(self.origin.clone()))?;
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(body.as_bytes(), &signature[4..])
            .map_err(|_| CheckpointError::Signature)?;
        Ok(Checkpoint { origin, size, root, time: time.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_key_signed_is_believed() {
        let signer = Signer::new("iroko/audit/lome", &Signer::generate().unwrap()).unwrap();
        let verifier = Verifier::new(&signer.verifier_key()).unwrap();
        let note = signer.sign(7, &[9; 32], "2026-11-25T12:00:00Z");
        let read = verifier.open(&note).unwrap();
        assert_eq!((read.size, read.root, read.time.as_str()), (7, [9; 32], "2026-11-25T12:00:00Z"));
        assert_eq!(verifier.open(&note.replacen("\n7\n", "\n8\n", 1)), Err(CheckpointError::Signature));
        let other = Signer::new("iroko/audit/lome", &Signer::generate().unwrap()).unwrap();
        let forged = other.sign(7, &[9; 32], "2026-11-25T12:00:00Z");
        assert!(matches!(verifier.open(&forged), Err(CheckpointError::Signer(_))));
        assert!(matches!(verifier.open("x"), Err(CheckpointError::Form(_))));
        let key = signer.verifier_key();
        assert!(Verifier::new(&key.replacen("lome", "kara", 1)).is_err(), "the hash binds name and key");
        assert!(Verifier::new("iroko").is_err());
    }
}
