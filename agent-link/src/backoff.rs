//! Waiting longer after each failure, and not in step with a thousand others.

use rand::Rng;
use std::time::Duration;

/// Exponential back-off with full jitter: the n-th wait is a random time up to `first * 2^n`,
/// bounded by `most`. Full jitter spreads agents that all lost the control plane in one moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// A back-off that starts around `first` and never waits longer than `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The time to wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        rand::rng().random_range(ceiling / 10..=ceiling)
    }

    /// Forgets the failures after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    fn ceiling(&self) -> Duration {
        self.first.saturating_mul(1 << self.failures.min(16)).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let waits: Vec<_> = (0..40).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= Duration::from_millis(100));
        assert!(waits.iter().all(|w| *w <= Duration::from_secs(5) && !w.is_zero()));
        assert!(waits[20..].windows(2).any(|w| w[0] != w[1]));
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
