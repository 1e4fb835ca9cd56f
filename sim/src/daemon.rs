//! A process that is started again whenever it ends, as a service manager would.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Time before it is started again.
const AGAIN: Duration = Duration::from_millis(50);

/// Ends with the value, and with the process that holds it, also where that is killed.
#[derive(Debug)]
pub struct Daemon {
    pid: Arc<Mutex<Option<u32>>>,
    task: JoinHandle<()>,
}

impl Daemon {
    /// Keeps `program` running; its output goes to `log`.
    pub fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Self> {
        let log_file = File::options().create(true).append(true).open(log).context("opening a daemon's log")?;
        let pid = Arc::new(Mutex::new(None));
        let (program, held) = (program.to_owned(), pid.clone());
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = once(&program, &arguments, &log_file, &held).await {
                    tracing::error!(program = %program.display(), error = format!("{error:#}"), "cannot be run");
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        Ok(Self { pid, task })
    }

    /// Its process number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `kill -9`; false where it was just not running.
    pub fn kill(&self) -> bool {
        self.pid().is_some_and(|pid| kill(Pid::from_raw(pid as i32), Signal::SIGKILL).is_ok())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
        self.kill();
    }
}

async fn once(program: &PathBuf, arguments: &[String], log: &File, pid: &Mutex<Option<u32>>) -> Result<()> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).kill_on_drop(true);
    let mut child = command.spawn().context("spawning")?;
    *pid.lock().unwrap_or_else(PoisonError::into_inner) = child.id();
    let ended = child.wait().await;
    *pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
    ended?;
    Ok(())
}
