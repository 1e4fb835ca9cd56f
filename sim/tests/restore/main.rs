//! After the worst day: the database of the control plane is one of yesterday. What runs goes on running, what was made
//! since is kept and shown as an orphan, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test")]

use anyhow::{Context, Result, ensure};
use iroko_compute_agent::Hypervisor;
use iroko_compute_agent::hypervisor::DomainState;
use iroko_lab::wait::until;
use iroko_model::{InstanceId, Resources};
use iroko_sim::hardware::Latencies;
use iroko_sim::{Cloud, SimHost, Tenant};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

const HOSTS: u16 = 2;
const COME: Duration = Duration::from_secs(60);
/// Time for agents to do harm, if they would: some passes of each.
const WATCHED: Duration = Duration::from_secs(8);

struct World {
    cloud: Cloud,
    hosts: Vec<SimHost>,
    tenant: Tenant,
}

impl World {
    async fn start() -> Result<Self> {
        let cloud = Cloud::start(None).await?;
        cloud.rest.log_in().await?;
        let mut hosts = Vec::new();
        for number in 1..=HOSTS {
            let capacity = Resources { vcpus: 16, memory_mib: 4096, disk_gib: 64 };
            let mut settings = cloud.admit(number, capacity).await?;
            (settings.verify_period_s, settings.compute.poll_period_s) = (2, 1);
            hosts.push(SimHost::start(settings, Latencies::default())?);
        }
        cloud.until_reachable(hosts.len()).await?;
        let tenant = Tenant::new(cloud.rest.clone()).await?;
        Ok(Self { cloud, hosts, tenant })
    }

    /// A statement or a program's arguments for the database of the cloud.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let done = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
        ensure!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    }

    fn url(&self, database: &str) -> String {
        self.cloud.database_url.replace("/iroko?", &format!("/{database}?"))
    }

    /// Makes an instance and waits until it runs.
    async fn instance(&self, body: &Value) -> Result<InstanceId> {
        let made = self.tenant.rest.post(&format!("{}/instances", self.tenant.at), body).await?;
        let id = made["id"].as_str().context("no id")?.to_owned();
        self.tenant.rest.until(&self.tenant.path(&id), "it runs", COME, |seen| seen["status"] == "running").await?;
        Ok(id.parse()?)
    }

    async fn running(&self) -> Result<BTreeSet<InstanceId>> {
        let mut running = BTreeSet::new();
        for host in &self.hosts {
            let domains = host.hardware().hypervisor.list().await?;
            running.extend(domains.into_iter().filter(|(_, state)| *state == DomainState::Running).map(|(id, _)| id));
        }
        Ok(running)
    }

    fn changes(&self) -> Vec<u64> {
        self.hosts.iter().map(|host| host.hardware().hypervisor.changes()).collect()
    }

    async fn orphans(&self) -> Result<Vec<Value>> {
        let seen = self.cloud.rest.get("/v1/system/orphans").await?;
        Ok(seen["items"].as_array().cloned().unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_under_a_running_cloud_loses_nothing() {
    older_database().await.unwrap();
}

async fn older_database() -> Result<()> {
    let mut world = World::start().await?;
    let (rest, at) = (world.tenant.rest.clone(), world.tenant.at.clone());
    let network = world.tenant.network("net", "10.0.0.0/24").await?;
    let body = |name: &str| world.tenant.body(name, &network);
    let old = world.instance(&body("old")).await?;
    let dying = world.instance(&body("deleted since")).await?;

    // Yesterday.
    let dump = world.cloud.dir().join("backup");
    let dump = dump.to_str().context("path")?;
    world.run("pg_dump", &["--format=custom", "--file", dump, &world.cloud.database_url])?;

    // Since then: two are made, one is deleted.
    let new = [world.instance(&body("new-1")).await?, world.instance(&body("new-2")).await?];
    rest.delete(&world.tenant.path(&dying.to_string())).await?;
    rest.until(&format!("{}?deleted=true", world.tenant.path(&dying.to_string())), "it is gone", COME, |seen| {
        seen["status"] == "deleted"
    })
    .await?;
    let before: BTreeSet<_> = [old, new[0], new[1]].into();
    ensure!(world.running().await? == before, "{:?}", world.running().await?);
    let changes = world.changes();

    // The control plane burns down; its database is restored from the backup.
    world.cloud.api.kill().await?;
    world.cloud.scheduler.kill().await?;
    let postgres = world.url("postgres");
    for statement in ["DROP DATABASE iroko WITH (FORCE)", "CREATE DATABASE iroko"] {
        world.run("psql", &["--quiet", "--dbname", &postgres, "--command", statement])?;
    }
    world.run("pg_restore", &["--dbname", &world.cloud.database_url, dump])?;
    world.cloud.until_ready().await?;
    world.cloud.rest.log_in().await?;
    world.cloud.until_reachable(world.hosts.len()).await?;

    // What the backup does not know is seen, and nothing happens to it.
    until("the orphans are seen", COME, || async {
        let seen = world.orphans().await.map_err(|error| format!("{error:#}"))?;
        let instances: BTreeSet<_> = seen
            .iter()
            .filter(|one| one["kind"] == "instance")
            .filter_map(|one| one["id"].as_str()?.parse().ok())
            .collect();
        if instances == BTreeSet::from(new) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await?;
    for host in &mut world.hosts {
        host.kill(iroko_agent_wire::AgentKind::Compute).await?;
        host.kill(iroko_agent_wire::AgentKind::Net).await?;
    }
    world.cloud.until_reachable(world.hosts.len()).await?;
    tokio::time::sleep(WATCHED).await;
    let running = world.running().await?;
    ensure!(running.is_superset(&before), "{running:?} of {before:?}");
    for (host, id) in new.iter().flat_map(|id| world.hosts.iter().map(move |host| (host, id))) {
        let domain = host.hardware().hypervisor.peek(*id);
        ensure!(domain.is_none_or(|state| state == DomainState::Running), "{id}: {domain:?}");
    }
    let taps = async {
        let mut taps = 0;
        for host in &world.hosts {
            taps += host.traces().await?.taps.len();
        }
        Ok::<_, anyhow::Error>(taps)
    };
    ensure!(taps.await? >= before.len(), "their ports stay plugged");
    println!("changes of domains before {changes:?}, after {:?}", world.changes());

    // What was deleted since is no new instance with an empty disk.
    let path = world.tenant.path(&dying.to_string());
    rest.until(&path, "the one that was deleted shows that its disk is gone", COME, |seen| seen["status"] == "error")
        .await?;
    ensure!(!running.contains(&dying), "{dying} was made anew");

    // One is adopted, the other one removed.
    let orphans = world.orphans().await?;
    let host_of = |id: InstanceId| {
        let found = orphans.iter().find(|one| one["id"] == json!(id)).and_then(|one| one["host_id"].as_str());
        found.map(str::to_owned).context("no such orphan")
    };
    let project = at.rsplit('/').next().context("project")?;
    let adopt = format!("/v1/system/hosts/{}/orphans/{}/adopt", host_of(new[0])?, new[0]);
    world.cloud.rest.post(&adopt, &json!({"project_id": project, "name": "new-1"})).await?;
    rest.until(&world.tenant.path(&new[0].to_string()), "the adopted one runs", COME, |seen| {
        seen["status"] == "running"
    })
    .await?;
    let remove = format!("/v1/system/hosts/{}/orphans/{}", host_of(new[1])?, new[1]);
    world.cloud.rest.delete(&remove).await?;
    until("no orphan is left", COME, || async {
        let seen = world.orphans().await.map_err(|error| format!("{error:#}"))?;
        let running = world.running().await.map_err(|error| format!("{error:#}"))?;
        if seen.is_empty() && !running.contains(&new[1]) { Ok(()) } else { Err(format!("{seen:?}, {running:?}")) }
    })
    .await?;
    let running = world.running().await?;
    ensure!(running.contains(&old) && running.contains(&new[0]), "{running:?}");
    Ok(())
}
