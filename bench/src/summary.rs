//! What was measured, as tables.

use crate::load::Made;
use crate::process::Usage;
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

    /// The percentile, by nearest rank; zero of none.
    pub fn at(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The head of the table of rounds.
pub fn begin_rounds() {
    println!(
        "| requests at a time | machines/s | POST p50 ms | POST p95 ms | to running p50 ms | p95 ms | deletes/s | \
         API ms | scheduler ms | PostgreSQL ms | hosts ms | client ms |"
    );
    println!("| --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
}

/// One round; the processor time of each part is that of its creation, for each machine.
pub fn round(concurrency: usize, made: &Made, deletes_per_s: f64, making: &Usage) {
    let (posts, runs) = (&made.posts, &made.runs);
    let [post50, post95, run50, run95] = [posts.at(50), posts.at(95), runs.at(50), runs.at(95)].map(ms);
    let each = making.seconds.iter().map(|used| format!("{:.2}", 1000.0 * used / made.ids.len().max(1) as f64));
    let each: Vec<_> = each.collect();
    println!(
        "| {concurrency} | {:.0} | {post50:.1} | {post95:.1} | {run50:.0} | {run95:.0} | {deletes_per_s:.0} | {} |",
        made.per_s(),
        each.join(" | ")
    );
}

/// What the last columns mean.
pub fn processors() {
    println!(
        "\nThe last five columns: milliseconds of processor time for each machine, from the first POST to the last machine that runs.\n"
    );
}

/// Reads: name, requests a second, times.
pub fn reads(rows: &[(String, f64, Times)]) {
    println!("| reads | requests/s | p50 ms | p99 ms |\n| --- | --: | --: | --: |");
    for (name, rate, times) in rows {
        println!("| {name} | {rate:.0} | {:.2} | {:.2} |", ms(times.at(50)), ms(times.at(99)));
    }
    println!();
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
