//! The dnsmasq processes: started, adopted, reloaded, ended.
//!
//! dnsmasq puts itself into the background once it has its sockets, so its first process's exit
//! says whether it serves, and it outlives the agent. The next agent knows it by pid file, command
//! line and network namespace, and leaves it alone.

use super::{DhcpError, Files};
use crate::link::netns;
use crate::object::Key;
use crate::object::{State, Value};
use iroko_model::Vni;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// How long a server has to end, asked nicely and then not.
const END_TRIES: u32 = 100;
const END_EVERY: Duration = Duration::from_millis(10);

/// The servers of a host.
#[derive(Debug, Clone)]
pub struct Dnsmasq {
    program: PathBuf,
    netns_dir: PathBuf,
    /// Their files.
    pub files: Files,
}

impl Dnsmasq {
    /// Servers with this program, whose service namespaces are in `netns_dir`.
    pub fn new(program: &Path, netns_dir: &Path, files: Files) -> Self {
        Self { program: program.to_owned(), netns_dir: netns_dir.to_owned(), files }
    }

    /// All servers and records there are.
    pub fn observe(&self) -> Result<State, DhcpError> {
        let mut state = State::new();
        for vni in self.files.networks()? {
            state.extend(self.files.records(vni)?);
            let value = match (self.files.config(vni), self.pid(vni)) {
                (None, _) => Value::wrong("has no configuration"),
                (_, None) => Value::wrong("does not run"),
                (_, Some(_)) if self.files.is_unread(vni) => Value::wrong("has not read its records"),
                (Some(config), Some(_)) => Value::Text(config),
            };
            state.insert(Key::Dnsmasq(vni), value);
        }
        Ok(state)
    }

    /// Makes the server run with this configuration, anew if it runs.
    pub async fn start(&self, vni: Vni, config: &str) -> Result<(), DhcpError> {
        self.end(vni).await?;
        self.files.put_config(vni, config)?;
        // A record that changes from here on marks itself unread again.
        self.files.mark_read(vni)?;
        let mut command = Command::new(&self.program);
        command.arg(format!("--conf-file={}", self.files.path(vni, "config").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = netns::run_in(self.namespace(vni), move || command.output())
            .await
            .map_err(DhcpError::Namespace)?
            .map_err(DhcpError::Run)?;
        started(&output)
    }

    /// Lets the server read its records again.
    pub fn reload(&self, vni: Vni) -> Result<(), DhcpError> {
        let Some(pid) = self.pid(vni) else { return Err(DhcpError::Refused("it does not run".to_owned())) };
        kill(pid, Signal::SIGHUP).map_err(|errno| DhcpError::Run(errno.into()))?;
        self.files.mark_read(vni)
    }

    /// Ends the server and removes all its files.
    pub async fn remove(&self, vni: Vni) -> Result<(), DhcpError> {
        self.end(vni).await?;
        self.files.remove_all(vni)
    }

    async fn end(&self, vni: Vni) -> Result<(), DhcpError> {
        let Some(pid) = self.recorded(vni) else { return Ok(()) };
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            match kill(pid, signal) {
                Err(Errno::ESRCH) => return Ok(()),
                outcome => outcome.map_err(|errno| DhcpError::Run(errno.into()))?,
            }
            for _ in 0..END_TRIES {
                if !self.is_ours(pid, vni) {
                    return Ok(());
                }
                tokio::time::sleep(END_EVERY).await;
            }
        }
        Err(DhcpError::Stuck(pid.as_raw()))
    }

    /// The running server, if it is in its namespace. One left in a namespace of that name that was
    /// deleted and made again does not count.
    fn pid(&self, vni: Vni) -> Option<Pid> {
        let pid = self.recorded(vni)?;
        let its = fs::metadata(format!("/proc/{pid}/ns/net")).ok()?;
        let wanted = fs::metadata(self.namespace(vni)).ok()?;
        ((its.dev(), its.ino()) == (wanted.dev(), wanted.ino())).then_some(pid)
    }

    /// The process of the pid file, if it is this server.
    fn recorded(&self, vni: Vni) -> Option<Pid> {
        let text = fs::read_to_string(self.files.path(vni, "pid")).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?);
        self.is_ours(pid, vni).then_some(pid)
    }

    /// Process ids are used again, so the command line decides. A dead process that nobody has
    /// waited for has an empty one.
    fn is_ours(&self, pid: Pid, vni: Vni) -> bool {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let config = format!("--conf-file={}", self.files.path(vni, "config").display());
        line.split(|byte| *byte == 0).any(|argument| argument == config.as_bytes())
    }

    fn namespace(&self, vni: Vni) -> PathBuf {
        self.netns_dir.join(crate::object::namespace(vni))
    }
}

fn started(output: &Output) -> Result<(), DhcpError> {
    if output.status.success() {
        return Ok(());
    }
    Err(DhcpError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
