//! Passwords: argon2id, a bounded number of hashes at a time, so that a storm of log-ins takes its
//! turn instead of taking the machine.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use iroko_model::Invalid;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Shortest password, in characters.
pub const MIN_CHARS: usize = 12;
/// Longest password, in octets.
pub const MAX_OCTETS: usize = 1024;

/// Why a hash was not made or checked.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The hash function refused.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// The worker thread died.
    #[error("the hashing thread ended")]
    Worker(#[from] tokio::task::JoinError),
}

/// Hashes on blocking threads, as many at a time as there are processors.
#[derive(Debug)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    /// A hash of nothing, checked when there is no such account, so that both answers take as long.
    decoy: String,
}

impl Hasher {
    /// Makes a hasher. Takes the time of one hash.
    pub fn new() -> Result<Self, HashError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { turns: Arc::new(Semaphore::new(processors)), decoy: hash("no account has this password")? })
    }

    /// Hashes a password into PHC string form.
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let _turn = self.turns.acquire().await;
        tokio::task::spawn_blocking(move || hash(&password)).await?
    }

    /// True where `password` is the one of `stored`; false, after the same time, where there is none.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashError> {
        let _turn = self.turns.acquire().await;
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        let right = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&stored)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(right.await? && exists)
    }
}

fn hash(password: &str) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|e| HashError::Hash(e.to_string()))?;
    Ok(hash.to_string())
}

/// Checks a new password's length.
pub fn check(password: &str) -> Result<(), Invalid> {
    if password.chars().count() < MIN_CHARS {
        return Err(Invalid::new("password_short", format!("a password has at least {MIN_CHARS} characters")));
    }
    if password.len() > MAX_OCTETS {
        return Err(Invalid::new("password_long", format!("a password has at most {MAX_OCTETS} octets")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn verifies_only_the_right_one() {
        let hasher = Hasher::new().unwrap();
        let stored = hasher.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(hasher.verify("correct horse".into(), Some(stored.clone())).await.unwrap());
        assert!(!hasher.verify("wrong".into(), Some(stored)).await.unwrap());
        assert!(!hasher.verify("no account has this password".into(), None).await.unwrap());
        assert!(check("short").is_err() && check(&"x".repeat(2000)).is_err() && check("long enough it is").is_ok());
    }
}
