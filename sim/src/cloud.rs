//! A control plane of real processes below one directory: PostgreSQL, API, scheduler.

use crate::daemon::Daemon;
use crate::host::{Host, Settings};
use anyhow::{Context, Result};
use iroko_lab::lab::{database_url, programs};
use iroko_lab::rest::text;
use iroko_lab::wait::until;
use iroko_lab::{Rest, images, process};
use iroko_store::Store;
use iroko_store::invariant::violations;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

const START: Duration = Duration::from_secs(120);
const PASSWORD: &str = "a password for simulations";

/// A control plane.
#[derive(Debug)]
pub struct Cloud {
    /// The operator's way in.
    pub rest: Rest,
    /// `iroko-api`.
    pub api: Daemon,
    /// `iroko-scheduler`.
    pub scheduler: Daemon,
    postgres: Daemon,
    agent_port: u16,
    dir: tempfile::TempDir,
}

impl Cloud {
    /// Starts one with the daemons of `programs`, or those beside this program, and waits until the API answers.
    pub async fn start(given: Option<&Path>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("iroko-sim-").tempdir().context("making a directory")?;
        // The database's user enters it.
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let programs = programs(given)?;
        let (port, agent_port) = (free_port()?, free_port()?);
        write_configuration(dir.path(), port, agent_port)?;
        let daemon = |name: &str| {
            let config = dir.path().join(format!("{name}.toml"));
            let program = programs.join(format!("iroko-{name}"));
            Daemon::start(&program, &["--config", &config.to_string_lossy()], &dir.path().join(format!("{name}.log")))
        };
        let script: PathBuf = images::scripts().join("postgres.sh");
        let cluster = dir.path().join("postgres");
        let postgres = Daemon::start(&script, &["run", &cluster.to_string_lossy()], &dir.path().join("postgres.log"))?;
        let (api, scheduler) = (daemon("api")?, daemon("scheduler")?);
        let rest = Rest::new(&format!("http://127.0.0.1:{port}"), "admin", PASSWORD)?;
        let cloud = Self { rest, api, scheduler, postgres, agent_port, dir };
        until("the API answers", START, || async { cloud.rest.log_in().await.map_err(|error| format!("{error:#}")) })
            .await
            .map_err(|error| error.context(cloud.logs()))?;
        Ok(cloud)
    }

    /// URL of the agent link.
    pub fn agent_link(&self) -> String {
        format!("https://127.0.0.1:{}", self.agent_port)
    }

    /// The directory of its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Kills every process of the database; it starts again and recovers.
    pub fn kill_postgres(&self) -> Result<()> {
        process::kill_all("postgres", &process::working_in(&self.dir.path().join("postgres/data"))?)
    }

    /// Processes of the database.
    pub fn postgres_pids(&self) -> Result<Vec<i32>> {
        let found = process::working_in(&self.dir.path().join("postgres/data"))?;
        Ok(found.into_iter().map(|process| process.pid).collect())
    }

    /// Starts hosts whose state is below the cloud's directory, numbered from 1, and waits until all are reachable.
    pub async fn hosts(&self, count: u16, settings: &Settings) -> Result<Vec<Host>> {
        let mut hosts = Vec::with_capacity(usize::from(count));
        for number in 1..=count {
            let request = json!({"host_name": format!("sim-{number}"), "valid_s": 3600});
            let token = self.rest.post("/v1/system/enrolment-tokens", &request).await?;
            hosts.push(Host::new(number, text(&token, "/token")?, settings.clone()));
        }
        self.until_reachable(usize::from(count)).await?;
        Ok(hosts)
    }

    /// Waits until this many hosts have both agents connected.
    pub async fn until_reachable(&self, count: usize) -> Result<()> {
        let all = |seen: &Value| {
            let reachable = |items: &Vec<Value>| items.iter().filter(|host| host["reachable"] == true).count();
            seen["items"].as_array().is_some_and(|items| reachable(items) >= count)
        };
        self.rest.until("/v1/system/hosts?limit=1000", &format!("{count} hosts are reachable"), START, all).await?;
        Ok(())
    }

    /// Waits until every invariant holds on these hosts and in the database; else says which do not.
    pub async fn settled(&self, hosts: &[Host], bound: Duration) -> Result<()> {
        let url = database_url(self.dir.path());
        until("everything is at rest", bound, || async {
            let found = async {
                let traces = hosts.iter().map(Host::traces).collect::<Result<Vec<_>>>()?;
                // A connection of its own each time: the database may have been killed since the last look.
                let store = Store::connect(&url, 1).await?;
                let mut tx = store.begin().await?;
                Ok::<_, anyhow::Error>(violations(&mut tx, &traces).await?)
            };
            match found.await {
                Ok(found) if found.is_empty() => Ok(()),
                Ok(found) => Err(found.join("\n")),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        ["postgres", "api", "scheduler"]
            .map(|name| {
                let text = std::fs::read_to_string(self.dir.path().join(format!("{name}.log"))).unwrap_or_default();
                let lines: Vec<_> = text.lines().collect();
                format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(20)..].join("\n"))
            })
            .concat()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The script's end asks the server to end in order; here nothing of it is needed any more.
        self.postgres.kill();
        let _ = self.kill_postgres();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("finding a free port")?.local_addr()?.port())
}

fn write_configuration(dir: &Path, port: u16, agent_port: u16) -> Result<()> {
    let database = database_url(dir);
    let api = format!(
        "listen = \"127.0.0.1:{port}\"\ndatabase_url = \"{database}\"\nstate_dir = \"{}\"\n\n\
         [agent_link]\nlisten = \"127.0.0.1:{agent_port}\"\nnames = [\"127.0.0.1\"]\n\n\
         [bootstrap]\npassword = \"{PASSWORD}\"\n",
        dir.join("api").display()
    );
    std::fs::write(dir.join("api.toml"), api)?;
    Ok(std::fs::write(dir.join("scheduler.toml"), format!("database_url = \"{database}\"\n"))?)
}
