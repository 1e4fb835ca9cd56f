//! One host of a lab.

use crate::images;
use crate::process::{self, Process};
use crate::secret::write_secret;
use crate::wait::until;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longest command on a host, unless told otherwise.
const COMMAND: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(20);

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    number: u8,
    dir: PathBuf,
}

impl Host {
    pub(crate) fn new(lab: &Path, number: u8) -> Self {
        Self { number, dir: lab.join("hosts").join(number.to_string()) }
    }

    /// Its name in the cluster.
    pub fn name(&self) -> String {
        format!("host-{}", self.number)
    }

    /// Its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn etc(&self) -> PathBuf {
        self.dir.join("etc")
    }

    /// Where its compute-agent keeps disks and records.
    pub fn compute_dir(&self) -> PathBuf {
        self.dir.join("root/compute")
    }

    pub(crate) fn write_configuration(&self, lab: u8, port: u16, token: &str, memory_kept: u64) -> Result<()> {
        fs::create_dir_all(self.etc())?;
        let link = |agent: &str| {
            let state = self.dir.join("root").join(agent);
            format!(
                "[link]\ncontrol_plane = \"https://198.18.{lab}.254:{port}\"\nhost_name = \"{}\"\nstate_dir = \"{}\"\nenrolment_token = \"{token}\"\n",
                self.name(),
                state.display()
            )
        };
        let compute = format!(
            "{}\n[compute]\nstate_dir = \"{}\"\nvirt_type = \"qemu\"\ndisk_cache = \"writeback\"\npoll_period_s = 2\nstop_timeout_s = 30\nhypervisor_timeout_s = 10\n\n\
             [compute.capacity]\nreserved_memory_mib = {memory_kept}\nvcpu_overcommit = 8.0\ndisk_gib = 200\n",
            link("compute-agent"),
            self.compute_dir().display()
        );
        write_secret(&self.etc().join("compute-agent.toml"), &compute)?;
        // The one whose presence lets the host start comes last.
        let net = format!(
            "{}\n[net]\nunderlay_device = \"eth0\"\nverify_period_s = 5\nstatistics_period_s = 2\n",
            link("net-agent")
        );
        write_secret(&self.etc().join("net-agent.toml"), &net)
    }

    /// The first process of its namespaces.
    fn first_process(&self) -> Result<Process> {
        let script = images::scripts().join("host.sh");
        let is_host = |line: &[String]| process::runs(line, "bash", &script) && process::runs(line, "bash", &self.dir);
        let found = process::find(is_host)?.into_iter().find(|process| process.inner == 1);
        found.with_context(|| format!("{} does not run", self.name()))
    }

    /// A command in the host's namespaces.
    pub fn command(&self, words: &[&str]) -> Result<std::process::Command> {
        let first = self.first_process()?;
        let mut command = std::process::Command::new("nsenter");
        command.args(["--all", "--target", &first.pid.to_string(), "--"]).args(words);
        Ok(command)
    }

    /// Runs a command on the host; what it printed, or an error with what it said.
    pub async fn run(&self, words: &[&str]) -> Result<String> {
        self.run_with(words, "", COMMAND).await
    }

    /// As [`Self::run`], with an input and a bound.
    pub async fn run_with(&self, words: &[&str], input: &str, bound: Duration) -> Result<String> {
        let mut command = Command::from(self.command(words)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("entering the host's namespaces")?;
        let mut stdin = child.stdin.take().context("the command has no input")?;
        let whole = async {
            // A command that does not read its input is no failure.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(bound, whole).await.with_context(|| format!("{words:?} took too long"))??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "{} on {}: {words:?}: {out} {err}", output.status, self.name());
        Ok(out)
    }

    /// Kills one of its daemons: `libvirtd`, `net-agent` or `compute-agent`; it is started again at once. Where
    /// it is just being started, this waits for it.
    pub async fn kill(&self, daemon: &str) -> Result<()> {
        process::kill_when_there(&format!("{daemon} of {}", self.name()), || self.processes(daemon)).await
    }

    fn processes(&self, daemon: &str) -> Result<Vec<Process>> {
        match daemon {
            "net-agent" | "compute-agent" => {
                let file = self.etc().join(format!("{daemon}.toml"));
                process::find(|line| process::runs(line, &format!("iroko-{daemon}"), &file))
            }
            "libvirtd" => self.libvirtd(),
            other => bail!("{other} is no daemon of a host"),
        }
    }

    /// Kills a daemon and keeps it down until [`Self::release`].
    pub async fn hold(&self, daemon: &str) -> Result<()> {
        fs::write(self.dir.join("hold").join(daemon), b"")?;
        process::kill_until_gone(daemon, || self.processes(daemon)).await
    }

    /// Lets a daemon run again.
    pub fn release(&self, daemon: &str) -> Result<()> {
        fs::remove_file(self.dir.join("hold").join(daemon)).with_context(|| format!("{daemon} was not held"))
    }

    /// All hosts' libvirtd have the same command line; this one's is in the host's process namespace.
    fn libvirtd(&self) -> Result<Vec<Process>> {
        let space = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = space(self.first_process()?.pid);
        let all = process::find(|line| process::runs(line, "libvirtd", Path::new("/etc/libvirt/libvirtd.conf")))?;
        Ok(all.into_iter().filter(|process| space(process.pid) == own).collect())
    }

    /// The host loses power: every process and device of it is gone. It comes back at once.
    pub async fn reboot(&self) -> Result<()> {
        let old = self.first_process()?;
        process::kill_all(&self.name(), std::slice::from_ref(&old))?;
        let back = || async {
            match self.first_process() {
                Ok(new) if new.pid != old.pid => Ok(()),
                Ok(_) => Err("it still runs".to_owned()),
                Err(error) => Err(format!("{error:#}")),
            }
        };
        until(&format!("{} is back", self.name()), END, back).await
    }

    /// Loses power and stays off until [`Self::power_on`].
    pub fn power_off(&self) -> Result<()> {
        fs::write(self.dir.join("hold/host"), b"")?;
        process::kill_all(&self.name(), &[self.first_process()?])
    }

    /// Starts again.
    pub fn power_on(&self) -> Result<()> {
        fs::remove_file(self.dir.join("hold/host")).with_context(|| format!("{} was not off", self.name()))
    }

    /// The namespace in which a network's DHCP and DNS service lives on this host.
    pub async fn service_namespace(&self, network_id: &str) -> Result<String> {
        // The first line of each server's configuration names namespace and network.
        let pattern = format!("of network {network_id}");
        let found = self.run(&["grep", "-rh", "--include=config", &pattern, "/run/iroko/net-agent/dnsmasq"]).await?;
        let namespace = found.split_whitespace().nth(1);
        Ok(namespace.with_context(|| format!("{} has no service of network {network_id}", self.name()))?.to_owned())
    }

    /// Runs a command in a network's service namespace, from which its guests here can be reached.
    pub async fn run_beside(&self, network_id: &str, words: &[&str], input: &str, bound: Duration) -> Result<String> {
        let namespace = self.service_namespace(network_id).await?;
        let words: Vec<&str> = ["ip", "netns", "exec", &namespace].into_iter().chain(words.iter().copied()).collect();
        self.run_with(&words, input, bound).await
    }
}
