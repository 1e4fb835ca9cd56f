//! Memory and processor time of the parts, as the kernel counts them.

use anyhow::{Context, Result};
use iroko_lab::process::working_in;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Ticks a second in `/proc/PID/stat` (proc(5)): 100 on every Linux that Iroko runs on.
const TICKS: f64 = 100.0;

/// One part of what runs: a process, or all of PostgreSQL's.
#[derive(Debug)]
pub struct Part {
    /// Its name in the tables.
    pub name: &'static str,
    pids: Vec<u32>,
    /// Where its processes work, for one that has many which come and go.
    directory: Option<PathBuf>,
}

impl Part {
    /// Processes with these numbers.
    pub const fn new(name: &'static str, pids: Vec<u32>) -> Self {
        Self { name, pids, directory: None }
    }

    /// All processes of the cluster in this directory.
    pub const fn postgres(data: PathBuf) -> Self {
        Self { name: "PostgreSQL", pids: Vec::new(), directory: Some(data) }
    }

    fn pids(&self) -> Result<Vec<u32>> {
        let Some(directory) = &self.directory else { return Ok(self.pids.clone()) };
        Ok(working_in(directory)?.into_iter().filter_map(|process| u32::try_from(process.pid).ok()).collect())
    }

    /// Resident memory in MiB; what processes share is counted once.
    pub fn memory_mib(&self) -> Result<f64> {
        let mut kib = 0.0;
        for pid in self.pids()? {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            kib += field(&text, if self.directory.is_some() { "Pss:" } else { "Rss:" }).unwrap_or(0.0);
        }
        Ok(kib / 1024.0)
    }

    /// Processor time in seconds. Of processes that have ended since, their parent counts it.
    fn seconds(&self) -> Result<f64> {
        let mut ticks = 0.0;
        for pid in self.pids()? {
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let after = text.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
            // Fields 14 to 17: user and system time, of itself and of its children that have ended.
            let numbers = after.split_whitespace().skip(11).take(4);
            ticks += numbers.filter_map(|number| number.parse::<f64>().ok()).sum::<f64>();
        }
        Ok(ticks / TICKS)
    }
}

fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Processor time of all parts.
#[derive(Debug)]
pub struct Usage {
    at: Instant,
    /// Seconds, in the order of the parts.
    pub seconds: Vec<f64>,
    /// Over how long.
    pub elapsed: Duration,
}

impl Usage {
    /// Since each part began.
    pub fn of(parts: &[Part]) -> Result<Self> {
        let seconds: Result<_> = parts.iter().map(Part::seconds).collect();
        Ok(Self { at: Instant::now(), seconds: seconds?, elapsed: Duration::ZERO })
    }

    /// From an earlier reading to this one.
    pub fn since(self, before: &Self) -> Self {
        let seconds = self.seconds.iter().zip(&before.seconds).map(|(now, then)| (now - then).max(0.0)).collect();
        Self { at: self.at, seconds, elapsed: self.at - before.at }
    }
}
