//! Finding and killing the lab's processes, by what their command lines say. A lab's directory is in
//! all of them, so two labs on one machine do not meet.

use crate::wait::until;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A daemon that ended is started again within a tenth of a second; a busy machine takes longer.
const THERE: Duration = Duration::from_secs(20);

/// A process, as this machine counts it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number here.
    pub pid: i32,
    /// Its number in its own namespace.
    pub inner: i32,
    /// Its command line.
    pub arguments: Vec<String>,
}

/// All processes whose command line satisfies `wanted`.
pub fn find(wanted: impl Fn(&[String]) -> bool) -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("reading /proc")?;
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.filter_map(read).filter(|process| wanted(&process.arguments)).collect())
}

/// `None` where it has ended meanwhile, or is one of the kernel's own.
fn read(pid: i32) -> Option<Process> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| !line.is_empty())?;
    let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().last()?.parse().ok()?;
    Some(Process { pid, inner, arguments: words.filter(|word| !word.is_empty()).collect() })
}

/// Processes that work in `directory`.
pub fn working_in(directory: &Path) -> Result<Vec<Process>> {
    let here =
        |process: &Process| fs::read_link(format!("/proc/{}/cwd", process.pid)).is_ok_and(|cwd| cwd == directory);
    Ok(find(|_| true)?.into_iter().filter(here).collect())
}

/// The command line runs `program` and names `path`.
pub fn runs(arguments: &[String], program: &str, path: &Path) -> bool {
    let is_program = arguments.first().is_some_and(|first| Path::new(first).file_name().is_some_and(|n| n == program));
    let path = path.to_string_lossy();
    is_program && arguments.iter().any(|argument| *argument == path)
}

/// Sends `SIGKILL` to all of them; at least one must be there. Who has ended meanwhile is dead too.
pub fn kill_all(what: &str, processes: &[Process]) -> Result<()> {
    ensure!(!processes.is_empty(), "no process of {what} runs");
    for process in processes {
        match kill(Pid::from_raw(process.pid), Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(errno) => return Err(errno).with_context(|| format!("killing {what} ({})", process.pid)),
        }
    }
    Ok(())
}

/// Sends `SIGKILL` to the processes that `find` gives, once there are any.
pub async fn kill_when_there(what: &str, find: impl Fn() -> Result<Vec<Process>>) -> Result<()> {
    let look = || async { find().and_then(|found| kill_all(what, &found)).map_err(|error| format!("{error:#}")) };
    until(&format!("{what} is killed"), THERE, look).await
}

/// Sends `SIGKILL` to the processes that `find` gives until there are none.
pub async fn kill_until_gone(what: &str, find: impl Fn() -> Result<Vec<Process>>) -> Result<()> {
    let look = || async {
        let alive = find().map_err(|error| format!("{error:#}"))?;
        if alive.is_empty() {
            return Ok(());
        }
        kill_all(what, &alive).map_err(|error| format!("{error:#}"))?;
        Err(format!("{} processes", alive.len()))
    };
    until(&format!("{what} is down"), THERE, look).await
}
