//! Starting, steering and ending a lab.

use crate::host::Host;
use crate::process::{self, Process};
use crate::rest::Rest;
use crate::secret::write_secret;
use crate::wait::until;
use crate::{images, rest};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A cluster is made, the schema migrated, hosts enrolled: seconds; a busy machine takes longer.
const START: Duration = Duration::from_secs(120);
/// An orderly end.
const END: Duration = Duration::from_secs(20);
/// Memory of this machine that no lab host offers.
const KEPT_MIB: u64 = 4096;
/// Port of the agent link.
const AGENT_PORT: u16 = 8444;
/// Where monitoring reads what the API counts.
const METRICS_PORT: u16 = 9091;
const USERNAME: &str = "admin";

/// What a lab shall be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files are; made if needed. What an earlier lab left there is taken up again.
    pub dir: PathBuf,
    /// Which of the labs of this machine, 0 to 255: its underlay is `198.18.NUMBER.0/24`.
    pub number: u8,
    /// Hosts, 1 to 100.
    pub hosts: u8,
    /// Port of the REST API on the loopback address; 0: a free one.
    pub port: u16,
    /// Where the daemons' programs are. Unset: beside this program.
    pub programs: Option<PathBuf>,
    /// Goes on when this process ends; otherwise it ends with it.
    pub detached: bool,
}

impl Options {
    /// URL of the agent link, for hosts that are not the lab's own.
    pub fn agent_link(&self) -> String {
        format!("https://198.18.{}.254:{AGENT_PORT}", self.number)
    }
}

/// A lab that runs.
#[derive(Debug)]
pub struct Lab {
    /// Its files.
    pub dir: PathBuf,
    /// The operator's way in, who is also a member of the first project.
    pub rest: Rest,
    /// Its hosts, by number from 1.
    pub hosts: Vec<Host>,
    /// Password of the operator `admin`.
    pub password: String,
    child: Option<Child>,
}

impl Lab {
    /// Starts a lab and waits until every host is reachable.
    pub async fn start(options: &Options) -> Result<Self> {
        fs::create_dir_all(&options.dir).with_context(|| format!("making {}", options.dir.display()))?;
        let dir = options.dir.canonicalize()?;
        ensure!((1..=100).contains(&options.hosts), "a lab has 1 to 100 hosts");
        ensure!(nix::unistd::geteuid().is_root(), "a lab makes namespaces and devices: run it as root");
        ensure!(first_process(&dir)?.is_none(), "a lab runs in {}; end it first", dir.display());
        let programs = programs(options.programs.as_deref())?;
        let (port, password) = (port(&dir, options.port)?, password(&dir)?);
        write_configuration(&dir, options.number, port, &password)?;
        let child = spawn(&dir, options, &programs)?;
        let mut lab = Self::open(&dir)?;
        lab.child = Some(child);
        lab.until_ready(options).await.map_err(|error| error.context(lab.logs()))?;
        if options.detached {
            lab.child = None;
        }
        Ok(lab)
    }

    /// A lab that was started before, by this or another process.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("no lab in {}", dir.display()))?;
        let read =
            |name: &str| fs::read_to_string(dir.join(name)).with_context(|| format!("no lab in {}", dir.display()));
        let (port, password) = (read("port")?, read("password")?);
        let base = format!("http://127.0.0.1:{}", port.trim());
        let hosts = fs::read_dir(dir.join("hosts")).into_iter().flatten().flatten();
        let mut numbers: Vec<u8> = hosts.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        let hosts = numbers.into_iter().map(|number| Host::new(&dir, number)).collect();
        Ok(Self { rest: Rest::new(&base, USERNAME, &password)?, hosts, password, dir, child: None })
    }

    async fn until_ready(&mut self, options: &Options) -> Result<()> {
        let ready = || async { self.rest.log_in().await.map_err(|error| format!("{error:#}")) };
        until("the API answers", START, ready).await?;
        for number in 1..=options.hosts {
            self.admit(options, number).await?;
        }
        self.hosts = (1..=options.hosts).map(|number| Host::new(&self.dir, number)).collect();
        self.until_reachable(START).await
    }

    /// Gives a host its agents' configuration, with a token to enrol with where it is new.
    async fn admit(&self, options: &Options, number: u8) -> Result<()> {
        let host = Host::new(&self.dir, number);
        if host.etc().join("net-agent.toml").exists() {
            return Ok(());
        }
        let request = json!({"host_name": host.name(), "valid_s": 3600});
        let token = self.rest.post("/v1/system/enrolment-tokens", &request).await?;
        host.write_configuration(options.number, AGENT_PORT, rest::text(&token, "/token")?, memory_kept(options.hosts)?)
    }

    /// Waits until every host of the lab has both agents connected.
    pub async fn until_reachable(&self, bound: Duration) -> Result<()> {
        let all = |seen: &serde_json::Value| {
            let items = seen["items"].as_array();
            items.is_some_and(|items| {
                self.hosts.iter().all(|host| items.iter().any(|i| i["name"] == host.name() && i["reachable"] == true))
            })
        };
        self.rest.until("/v1/system/hosts", "all hosts are reachable", bound, all).await.map(drop)
    }

    /// The host with this id.
    pub async fn host_by_id(&self, id: &str) -> Result<&Host> {
        let seen = self.rest.get(&format!("/v1/system/hosts/{id}")).await?;
        let name = rest::text(&seen, "/name")?;
        self.hosts.iter().find(|host| host.name() == name).with_context(|| format!("{name} is no host of this lab"))
    }

    /// URL of the lab's database.
    pub fn database_url(&self) -> String {
        database_url(&self.dir)
    }

    /// Kills one of the control plane's daemons, `api`, `scheduler` or `postgres` (all of its processes); it
    /// is started again at once. Where it is just being started, this waits for it.
    pub async fn kill(&self, daemon: &str) -> Result<()> {
        process::kill_when_there(daemon, || self.processes(daemon)).await
    }

    fn processes(&self, daemon: &str) -> Result<Vec<Process>> {
        match daemon {
            "api" => process::find(|line| process::runs(line, "iroko-api", &self.dir.join("api.toml"))),
            "scheduler" => {
                process::find(|line| process::runs(line, "iroko-scheduler", &self.dir.join("scheduler.toml")))
            }
            "postgres" => process::working_in(&self.dir.join("postgres/data")),
            other => bail!("{other} is no daemon of the control plane"),
        }
    }

    /// Kills a daemon of the control plane and keeps it down until [`Self::release`].
    pub async fn hold(&self, daemon: &str) -> Result<()> {
        fs::write(self.dir.join("hold").join(daemon), b"")?;
        process::kill_until_gone(daemon, || self.processes(daemon)).await
    }

    /// Lets a daemon run again.
    pub fn release(&self, daemon: &str) -> Result<()> {
        fs::remove_file(self.dir.join("hold").join(daemon)).with_context(|| format!("{daemon} was not held"))
    }

    /// Ends a lab: in order first, then for good. Its files stay.
    pub async fn end(dir: &Path) -> Result<()> {
        let dir = dir.canonicalize().with_context(|| format!("no lab in {}", dir.display()))?;
        if let Some(first) = first_process(&dir)? {
            let _ = kill(Pid::from_raw(first.pid), Signal::SIGTERM);
            let gone = || async {
                match first_process(&dir) {
                    Ok(None) => Ok(()),
                    Ok(Some(first)) => Err(format!("process {} is there", first.pid)),
                    Err(error) => Err(format!("{error:#}")),
                }
            };
            if until("the lab ends", END, gone).await.is_err()
                && let Some(first) = first_process(&dir)?
            {
                kill(Pid::from_raw(first.pid), Signal::SIGKILL)?;
            }
        }
        // The kernel takes namespaces down after their last process; then the cable is gone too.
        until("the lab's last process is gone", END, || async {
            let left = process::find(|line| line.iter().any(|word| Path::new(word).starts_with(&dir)));
            let left = left.map_err(|error| format!("{error:#}"))?;
            let own = |process: &Process| u32::try_from(process.pid) == Ok(std::process::id());
            let left: Vec<_> = left.iter().filter(|process| !own(process) && process.inner != process.pid).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await
    }

    /// The last lines of every log, for the error of a test that failed.
    pub fn logs(&self) -> String {
        let dirs = std::iter::once(self.dir.join("log")).chain(self.hosts.iter().map(|host| host.dir().join("log")));
        let files = dirs.flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten()).map(|entry| entry.path());
        let tail = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("--- {}\n{}\n", path.display(), lines[lines.len().saturating_sub(15)..].join("\n"))
        };
        files.map(tail).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It is `unshare`, whose end is the end of everything in it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The lab's first process, if it runs.
fn first_process(dir: &Path) -> Result<Option<Process>> {
    let script = images::scripts().join("init.sh");
    let is_lab = |line: &[String]| process::runs(line, "bash", &script) && process::runs(line, "bash", dir);
    Ok(process::find(is_lab)?.into_iter().find(|process| process.inner == 1))
}

fn programs(given: Option<&Path>) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = || own.ancestors().skip(1).find(|dir| dir.join("iroko-api").exists()).map(Path::to_owned);
    let dir = given.map(Path::to_owned).or_else(beside).context("the daemons are not built; run `make build`")?;
    for program in ["iroko-api", "iroko-scheduler", "iroko-net-agent", "iroko-compute-agent"] {
        ensure!(dir.join(program).exists(), "{} is not there; run `make build`", dir.join(program).display());
    }
    Ok(dir)
}

fn spawn(dir: &Path, options: &Options, programs: &Path) -> Result<Child> {
    let mut command = Command::new(if options.detached { "setsid" } else { "setpriv" });
    if !options.detached {
        command.args(["--pdeathsig", "KILL"]);
    }
    command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"]);
    command.arg(images::scripts().join("init.sh")).arg(dir);
    command.args([options.number.to_string(), options.hosts.to_string()]).arg(programs);
    fs::create_dir_all(dir.join("log"))?;
    let log = fs::File::options().create(true).append(true).open(dir.join("log/lab.log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    command.spawn().context("starting the lab's namespaces")
}

/// The port of the last run, so that a lab that is taken up again is where it was.
fn port(dir: &Path, wanted: u16) -> Result<u16> {
    let file = dir.join("port");
    let kept = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
    let port = match kept {
        Some(port) => port,
        None => {
            TcpListener::bind(("127.0.0.1", wanted)).with_context(|| format!("port {wanted}"))?.local_addr()?.port()
        }
    };
    fs::write(file, port.to_string())?;
    Ok(port)
}

fn password(dir: &Path) -> Result<String> {
    let file = dir.join("password");
    if let Ok(password) = fs::read_to_string(&file) {
        return Ok(password);
    }
    let letters = b"abcdefghjkmnpqrstuvwxyz23456789";
    let letter = || char::from(letters[rand::random_range(0..letters.len())]);
    let password: String = std::iter::repeat_with(letter).take(20).collect();
    write_secret(&file, &password)?;
    Ok(password)
}

fn database_url(dir: &Path) -> String {
    let script = images::scripts().join("postgres.sh");
    let output = Command::new(script).arg("url").arg(dir.join("postgres")).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn write_configuration(dir: &Path, number: u8, port: u16, password: &str) -> Result<()> {
    let database = database_url(dir);
    let state = dir.join("api");
    let api = format!(
        r#"listen = "127.0.0.1:{port}"
metrics_listen = "198.18.{number}.254:{METRICS_PORT}"
database_url = "{database}"
state_dir = "{}"

[agent_link]
listen = "198.18.{number}.254:{AGENT_PORT}"
names = ["198.18.{number}.254"]

[rate]
# One caller asks here for everybody, many times a second.
caller_per_minute = 1000000
address_per_minute = 100000

[bootstrap]
username = "{USERNAME}"
password = "{password}"
"#,
        state.display()
    );
    write_secret(&dir.join("api.toml"), &api)?;
    write_secret(&dir.join("scheduler.toml"), &format!("database_url = \"{database}\"\n"))
}

/// What each host keeps of this machine's memory, so that all of them together offer what is there.
fn memory_kept(hosts: u8) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let total: u64 = total.context("this machine does not say how much memory it has")?;
    let (total, hosts) = (total / 1024, u64::from(hosts));
    Ok(total - total.saturating_sub(KEPT_MIB) / hosts)
}
