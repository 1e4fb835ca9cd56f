//! Password hashes: argon2id, on a few threads of their own behind a short queue.
//!
//! A hash takes a processor for some twenty milliseconds and 19 MiB. So a storm of log-ins meets three
//! bounds: half of the processors hash, at a low priority; the queue before them is short, and who finds it
//! full is told to come back; each thread has one working memory, which it gives back when it is idle.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a hash takes, roughly: to say when to come back.
const ONE_HASH: Duration = Duration::from_millis(30);
/// Hashing gives way to answering.
const NICENESS: i32 = 10;
/// A block of argon2's working memory, in KiB.
const BLOCK_KIB: usize = 1;
/// Allocators keep freed pieces below 32 MiB for later; a larger one goes back to the system.
/// Memory that is reserved and never touched costs nothing.
const RESERVED_BLOCKS: usize = 33 * 1024 / BLOCK_KIB;

/// Why a hash was not made or checked.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The hash function refused.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// The queue is full; come back after this time.
    #[error("too many passwords wait to be checked")]
    Busy(Duration),
    /// The thread ended.
    #[error("the hashing thread ended")]
    Worker,
    /// The thread could not be started.
    #[error("the hashing thread could not be started")]
    Start(#[source] std::io::Error),
}

/// Hashes passwords.
#[derive(Debug)]
pub struct Hasher {
    jobs: SyncSender<Job>,
    /// How long a full queue takes to empty.
    full: Duration,
    /// A hash of nothing, checked when there is no such account, so that both answers take as long.
    decoy: String,
}

enum Work {
    Hash(String),
    Verify { password: String, stored: String },
}

enum Done {
    Hash(String),
    Right(bool),
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<Done, HashError>>,
}

impl Hasher {
    /// Starts `threads` threads (0: half of the processors) with `queue` places before them. Takes the
    /// time of one hash.
    pub fn start(threads: usize, queue: usize) -> Result<Self, HashError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { (processors / 2).max(1) } else { threads };
        let decoy = hash("no account has this password", &mut Vec::new())?;
        let (jobs, waiting) = sync_channel(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let waiting = waiting.clone();
            let thread = std::thread::Builder::new().name(format!("password-{number}"));
            thread.spawn(move || work(&waiting)).map_err(HashError::Start)?;
        }
        let turns = u32::try_from(queue.div_ceil(threads)).unwrap_or(u32::MAX);
        Ok(Self { jobs, full: ONE_HASH.saturating_mul(turns), decoy })
    }

    /// Hashes a password into PHC string form.
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        match self.turn(Work::Hash(password)).await? {
            Done::Hash(hash) => Ok(hash),
            Done::Right(_) => Err(HashError::Worker),
        }
    }

    /// True where `password` is the one of `stored`; false, after the same time, where there is none.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashError> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        match self.turn(Work::Verify { password, stored }).await? {
            Done::Right(right) => Ok(right && exists),
            Done::Hash(_) => Err(HashError::Worker),
        }
    }

    async fn turn(&self, work: Work) -> Result<Done, HashError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { work, reply }).map_err(|error| match error {
            TrySendError::Full(_) => HashError::Busy(self.full),
            TrySendError::Disconnected(_) => HashError::Worker,
        })?;
        answer.await.map_err(|_| HashError::Worker)?
    }
}

/// One thread: takes jobs until the hasher is gone.
fn work(waiting: &Mutex<Receiver<Job>>) {
    // On Linux this is the calling thread's own priority.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "passwords are hashed at the usual priority");
    }
    let mut memory = Vec::new();
    loop {
        // Who holds the lock waits for work, so there is none.
        let next = waiting.try_lock().ok().and_then(|jobs| jobs.try_recv().ok());
        let job = next.map_or_else(
            || {
                memory = Vec::new();
                waiting.lock().unwrap_or_else(PoisonError::into_inner).recv()
            },
            Ok,
        );
        let Ok(Job { work, reply }) = job else { return };
        // Whoever asked may have gone meanwhile.
        if reply.is_closed() {
            continue;
        }
        let done = match work {
            Work::Hash(password) => hash(&password, &mut memory).map(Done::Hash),
            Work::Verify { password, stored } => Ok(Done::Right(verify(&password, &stored, &mut memory))),
        };
        drop(reply.send(done));
    }
}

fn hash(password: &str, memory: &mut Vec<Block>) -> Result<String, HashError> {
    let told = |error: &dyn std::fmt::Display| HashError::Hash(error.to_string());
    let (salt, params) = (Salt::generate(), Params::default());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    fill(&argon2, password, &salt, &mut output, memory).map_err(|e| told(&e))?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|e| told(&e))?,
        salt: Some(salt),
        hash: Some(Output::new(&output).map_err(|e| told(&e))?),
    };
    Ok(hash.to_string())
}

/// A stored text that is no hash is nobody's password.
fn verify(password: &str, stored: &str, memory: &mut Vec<Block>) -> bool {
    let mut verified = || {
        let stored = PasswordHash::new(stored).ok()?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
        let version = Version::try_from(stored.version?).ok()?;
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored).ok()?);
        let (salt, wanted) = (stored.salt?, stored.hash?);
        let mut output = vec![0; wanted.len()];
        fill(&argon2, password, &salt, &mut output, memory).ok()?;
        Some(verify_slices_are_equal(&output, wanted.as_bytes()).is_ok())
    };
    verified().unwrap_or(false)
}

fn fill(
    argon2: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<(), argon2::Error> {
    let blocks = argon2.params().block_count();
    if memory.capacity() == 0 {
        memory.reserve_exact(blocks.max(RESERVED_BLOCKS));
    }
    if memory.len() < blocks {
        memory.resize(blocks, Block::default());
    }
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory[..blocks])
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    #[tokio::test]
    async fn verifies_only_the_right_one() {
        let hasher = Hasher::start(0, 8).unwrap();
        let stored = hasher.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(hasher.verify("correct horse".into(), Some(stored.clone())).await.unwrap());
        assert!(!hasher.verify("wrong".into(), Some(stored)).await.unwrap());
        assert!(!hasher.verify("no account has this password".into(), None).await.unwrap());
        assert!(!hasher.verify("!".into(), Some("!".into())).await.unwrap());
    }

    /// Our own memory changes nothing about the hash.
    #[tokio::test]
    async fn the_library_agrees() {
        let hasher = Hasher::start(1, 8).unwrap();
        let ours = hasher.hash("pass phrase".into()).await.unwrap();
        Argon2::default().verify_password(b"pass phrase", &*ours).unwrap();
        let small = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap());
        let theirs = small.hash_password(b"pass phrase").unwrap().to_string();
        // Twice, for memory that was used before, and by a larger hash.
        for _ in 0..2 {
            assert!(hasher.verify("pass phrase".into(), Some(theirs.clone())).await.unwrap());
            assert!(hasher.verify("pass phrase".into(), Some(ours.clone())).await.unwrap());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_full_queue_refuses_and_the_rest_is_served() {
        let hasher = Arc::new(Hasher::start(1, 4).unwrap());
        let storm: Vec<_> = (0..64)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify("x".into(), None).await })
            })
            .collect();
        let (mut served, mut refused) = (0, 0);
        for one in storm {
            match one.await.unwrap() {
                Ok(false) => served += 1,
                Err(HashError::Busy(after)) => {
                    assert_eq!(after, ONE_HASH * 4);
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(served >= 4 && refused > 0, "{served} served, {refused} refused");
        assert!(!hasher.verify("x".into(), None).await.unwrap(), "the storm is over");
    }
}
