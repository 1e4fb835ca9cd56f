//! A real control plane in a temporary directory: PostgreSQL, API and scheduler, each of which can be
//! killed. Nothing of it is left when it is dropped, or when this process dies.

use crate::agent::Settings;
use crate::daemon::Daemon;
use anyhow::{Context, Result, ensure};
use iroko_lab::wait::until;
use iroko_lab::{Rest, images, process, rest};
use iroko_model::Resources;
use iroko_store::Store;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A cluster is made, the schema migrated; a busy machine takes longer.
const START: Duration = Duration::from_secs(60);
const PASSWORD: &str = "only-in-this-simulation";
const USERNAME: &str = "admin";

/// See the module.
#[derive(Debug)]
pub struct Cloud {
    dir: TempDir,
    /// The operator's way in, who is also a member of the first project.
    pub rest: Rest,
    /// URL of the agent link.
    pub agent_link: String,
    /// URL of the database.
    pub database_url: String,
    /// The API.
    pub api: Daemon,
    /// The scheduler.
    pub scheduler: Daemon,
    postgres: Daemon,
}

impl Cloud {
    /// Starts everything and waits until the API is ready. `programs`: the directory of the daemons; `None`:
    /// that of this program or one above it.
    pub async fn start(programs: Option<&Path>) -> Result<Self> {
        Self::start_with(programs, "").await
    }

    /// The same, with further lines for PostgreSQL's configuration.
    pub async fn start_with(programs: Option<&Path>, postgres_conf: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("iroko-sim-").tempdir()?;
        let programs = found(programs)?;
        let (rest_port, agent_port) = (free_port()?, free_port()?);
        let database_url = database_url(dir.path())?;
        configure(dir.path(), rest_port, agent_port, &database_url)?;
        let log = |name: &str| dir.path().join(format!("{name}.log"));
        let setting = format!("IROKO_POSTGRES_CONF={postgres_conf}");
        let postgres = vec!["env".to_owned(), setting, script(), "run".to_owned(), text(&dir.path().join("postgres"))];
        let postgres = Daemon::start(postgres, log("postgres"))?;
        until_database(&database_url).await?;
        let daemon = |name: &str| {
            let program = text(&programs.join(format!("iroko-{name}")));
            let config = text(&dir.path().join(format!("{name}.toml")));
            Daemon::start(vec![program, "--config".to_owned(), config], log(name))
        };
        let (api, scheduler) = (daemon("api")?, daemon("scheduler")?);
        let rest = Rest::new(&format!("http://127.0.0.1:{rest_port}"), USERNAME, PASSWORD)?;
        let agent_link = format!("https://127.0.0.1:{agent_port}");
        let mut cloud = Self { dir, rest, agent_link, database_url, api, scheduler, postgres };
        cloud.until_ready().await?;
        Ok(cloud)
    }

    /// Where its files are, while it lives.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Waits until every daemon runs and the API is ready; what has died meanwhile is started again.
    pub async fn until_ready(&mut self) -> Result<()> {
        let url = format!("{}/readyz", self.rest.base());
        let (api, scheduler) = (&mut self.api, &mut self.scheduler);
        let ready = until("the API is ready", START, || {
            let revived = api.revive().and_then(|()| scheduler.revive());
            let url = url.clone();
            async move {
                revived.map_err(|error| format!("{error:#}"))?;
                match reqwest::get(&url).await {
                    Ok(answer) if answer.status().is_success() => Ok(()),
                    Ok(answer) => Err(answer.status().to_string()),
                    Err(error) => Err(error.to_string()),
                }
            }
        });
        let ready = ready.await;
        ready.map_err(|error| error.context(self.logs()))
    }

    /// Kills the API at once and starts it again.
    pub async fn kill_api(&mut self) -> Result<()> {
        self.api.kill().await?;
        self.api.revive()
    }

    /// Kills the scheduler at once and starts it again.
    pub async fn kill_scheduler(&mut self) -> Result<()> {
        self.scheduler.kill().await?;
        self.scheduler.revive()
    }

    /// Kills every process of PostgreSQL at once, as a power cut would; it starts again and recovers.
    pub async fn kill_postgres(&mut self) -> Result<()> {
        process::kill_until_gone("PostgreSQL", || process::working_in(&self.data())).await?;
        self.postgres.wait().await?;
        self.postgres.revive()?;
        until_database(&self.database_url).await
    }

    /// Password of the operator `admin`.
    pub const fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Where PostgreSQL's processes work.
    pub fn data(&self) -> PathBuf {
        self.dir().join("postgres/data")
    }

    /// What the host number `number` starts with: a token of its own, a directory of its own.
    pub async fn admit(&self, number: u16, capacity: Resources) -> Result<Settings> {
        let host_name = format!("sim-{number}");
        let request = json!({"host_name": host_name, "valid_s": 3600});
        let token = self.rest.post("/v1/system/enrolment-tokens", &request).await?;
        let [high, low] = number.to_be_bytes();
        Ok(Settings {
            control_plane: self.agent_link.clone(),
            token: rest::text(&token, "/token")?.to_owned(),
            state_dir: Some(self.dir().join(&host_name)),
            host_name,
            capacity,
            vtep: Ipv4Addr::new(198, 19, high, low).into(),
            compute: iroko_compute_agent::Config::default(),
            verify_period_s: 30,
        })
    }

    /// Waits until `count` hosts have both agents connected.
    pub async fn until_reachable(&self, count: usize) -> Result<()> {
        let reachable = |seen: &Value| {
            seen["items"].as_array().map_or(0, |items| items.iter().filter(|host| host["reachable"] == true).count())
        };
        let all = |seen: &Value| reachable(seen) == count;
        self.rest.until("/v1/system/hosts?limit=1000", "all hosts are reachable", START, all).await.map(drop)
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        [&self.postgres, &self.api, &self.scheduler].map(|daemon| daemon.log_tail(30)).concat()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // The children die with their handles; PostgreSQL is a grandchild, and must not write into the
        // directory while it is removed.
        if let Ok(left) = process::working_in(&self.data())
            && !left.is_empty()
        {
            let _ = process::kill_all("PostgreSQL", &left);
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn script() -> String {
    text(&images::scripts().join("postgres.sh"))
}

fn database_url(dir: &Path) -> Result<String> {
    let output = Command::new(script()).arg("url").arg(dir.join("postgres")).output().context("postgres.sh url")?;
    ensure!(output.status.success(), "postgres.sh url: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

async fn until_database(url: &str) -> Result<()> {
    let look = || async { Store::connect(url, 1).await.map(drop).map_err(|error| error.to_string()) };
    until("the database answers", START, look).await
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn found(given: Option<&Path>) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = || own.ancestors().skip(1).find(|dir| dir.join("iroko-api").exists()).map(Path::to_owned);
    given.map(Path::to_owned).or_else(beside).context("the daemons are not built; run `make build`")
}

fn configure(dir: &Path, rest_port: u16, agent_port: u16, database_url: &str) -> Result<()> {
    let api = format!(
        r#"listen = "127.0.0.1:{rest_port}"
database_url = "{database_url}"
state_dir = "{}"

[agent_link]
listen = "127.0.0.1:{agent_port}"
names = ["127.0.0.1"]

[rate]
# One caller asks here for everybody, many times a second.
caller_per_minute = 1000000
address_per_minute = 100000

[bootstrap]
username = "{USERNAME}"
password = "{PASSWORD}"
"#,
        dir.join("api").display()
    );
    std::fs::write(dir.join("api.toml"), api)?;
    Ok(std::fs::write(dir.join("scheduler.toml"), format!("database_url = \"{database_url}\"\n"))?)
}
