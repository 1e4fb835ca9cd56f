//! Enrolment tokens.

use sha2::{Digest, Sha256};

/// What is stored of a token.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
