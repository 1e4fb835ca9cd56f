//! A real daemon as a child process: its output in a file, killed and started again, never left behind.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// A daemon and how to start it. Dropped, it is killed; so it is when this process ends in any way.
#[derive(Debug)]
pub struct Daemon {
    words: Vec<String>,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts `words`, with output appended to the file `log`.
    pub fn start(words: Vec<String>, log: PathBuf) -> Result<Self> {
        let child = spawn(&words, &log)?;
        Ok(Self { words, log, child })
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// `kill -9`, and gone when this returns.
    pub async fn kill(&mut self) -> Result<()> {
        // One that ended by itself meanwhile is as dead.
        let _ = self.child.start_kill();
        self.wait().await
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&mut self) -> Result<()> {
        self.child.wait().await.with_context(|| format!("waiting for the end of {}", self.words[0]))?;
        Ok(())
    }

    /// Starts it again where it does not run.
    pub fn revive(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            self.child = spawn(&self.words, &self.log)?;
        }
        Ok(())
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<_> = text.lines().collect();
        format!("--- {}\n{}\n", self.log.display(), all[all.len().saturating_sub(lines)..].join("\n"))
    }
}

fn spawn(words: &[String], log: &PathBuf) -> Result<Child> {
    let log = File::options().create(true).append(true).open(log).context("opening a log")?;
    // `setpriv` becomes the daemon, so its process id and signals are the daemon's.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(words).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("starting {}", words[0]))
}
