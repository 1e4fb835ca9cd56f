//! Times, and tables of them.

use std::time::Duration;

/// How long each of many took, in ascending order.
#[derive(Debug)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Of any order.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// How many.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The percentile, by nearest rank; zero of none.
    pub fn at(&self, percent: usize) -> Duration {
        let rank = (self.count() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times = Times::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!([50, 95, 99, 100].map(|p| times.at(p).as_millis()), [100, 190, 198, 200]);
        assert_eq!(Times::new(vec![Duration::from_millis(7)]).at(50).as_millis(), 7);
        assert_eq!(Times::new(vec![]).at(99), Duration::ZERO);
    }
}
