//! Waiting on a condition with a bound, saying what was last seen.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Looks until `look` gives something, at most for `bound`. What it gives instead is the reason it
/// does not, and the last one stands in the error.
pub async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T> {
    let end = Instant::now() + bound;
    loop {
        match look().await {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() >= end => bail!("{what}: not within {} s; last seen: {last}", bound.as_secs()),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
