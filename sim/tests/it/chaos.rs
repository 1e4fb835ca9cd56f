//! Hundreds of `kill -9` and power cuts while machines are made, stopped, rebooted and deleted: every
//! machine ends as wanted or deleted, exactly once, and nothing is lost or doubled.

use anyhow::{Context, Result, ensure};
use iroko_compute_agent::hypervisor::Hypervisor;
use iroko_lab::rest::text;
use iroko_model::{InstanceId, Resources};
use iroko_sim::host::Settings;
use iroko_sim::{Cloud, Host};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::time::Duration;

const HOSTS: u16 = 6;
/// Things done by tenants; each is followed by a kill.
const ROUNDS: u32 = 300;
/// Machines there are at most.
const MACHINES: usize = 24;
/// Between what a tenant does and the kill.
const SPAN_MS: u64 = 60;
/// Agents wait up to a quarter of a minute before they come back to a control plane that was away.
const REST: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_kills_lose_and_double_nothing() {
    let seed = std::env::var("IROKO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("IROKO_SEED={seed} repeats this run");
    let programs = std::path::PathBuf::from(env!("CARGO_BIN_EXE_iroko-sim")).parent().unwrap().to_owned();
    let cloud = Cloud::start(Some(&programs)).await.unwrap();
    let mut story = Story::begin(&cloud, StdRng::seed_from_u64(seed)).await.unwrap();
    if let Err(error) = story.run().await {
        panic!("IROKO_SEED={seed}: {error:#}\n{}", cloud.logs());
    }
    eprintln!("{:?}", story.done);
}

/// What happened, for whoever reads the log.
#[derive(Debug, Default)]
struct Done {
    created: u32,
    acted: u32,
    deleted: u32,
    agents: u32,
    api: u32,
    scheduler: u32,
    postgres: u32,
    power: u32,
    refused: u32,
}

struct Story<'a> {
    cloud: &'a Cloud,
    random: StdRng,
    hosts: Vec<Host>,
    at: String,
    ask: Value,
    done: Done,
}

impl<'a> Story<'a> {
    async fn begin(cloud: &'a Cloud, random: StdRng) -> Result<Self> {
        let settings = Settings {
            control_plane: cloud.agent_link(),
            state_dir: Some(cloud.dir().join("hosts")),
            capacity: Resources { vcpus: 16, memory_mib: 16384, disk_gib: 100 },
            latency: Duration::from_millis(3),
            disk_latency: Duration::from_millis(20),
        };
        let hosts = cloud.hosts(HOSTS, &settings).await?;
        let at = format!("/v1/projects/{}", cloud.rest.project().await?);
        let ask = prepare(cloud, &at).await?;
        Ok(Self { cloud, random, hosts, at, ask, done: Done::default() })
    }

    async fn run(&mut self) -> Result<()> {
        for round in 0..ROUNDS {
            self.tenant().await.with_context(|| format!("round {round}"))?;
            let delay = self.random.random_range(0..SPAN_MS);
            tokio::time::sleep(Duration::from_millis(delay)).await;
            self.kill().await.with_context(|| format!("round {round}"))?;
        }
        self.cloud.until_reachable(usize::from(HOSTS)).await?;
        self.as_wanted().await?;
        self.away().await
    }

    async fn machines(&self) -> Result<Vec<Value>> {
        let seen = self.cloud.rest.get(&format!("{}/instances?limit=1000", self.at)).await?;
        Ok(seen["items"].as_array().cloned().unwrap_or_default())
    }

    /// One wish. The API may be killed under it, so that nobody knows whether it was heard; whatever it made
    /// must come to a good end.
    async fn tenant(&mut self) -> Result<()> {
        let machines: Vec<_> = self.machines().await?.into_iter().filter(|m| m["status"] != "deleting").collect();
        let choice = self.random.random_range(0..10);
        if machines.is_empty() || (choice < 5 && machines.len() < MACHINES) {
            return self.create().await;
        }
        let machine = &machines[self.random.random_range(0..machines.len())];
        let path = format!("{}/instances/{}", self.at, text(machine, "/id")?);
        if choice < 8 {
            let action = ["start", "stop", "reboot"][self.random.random_range(0..3)];
            // Refused where the state forbids it (a reboot of what is off): that is an answer too.
            let (status, answer) = self.cloud.rest.answer("POST", &format!("{path}/{action}"), None).await?;
            ensure!(status < 300 || status == 409 || status == 404, "{action}: {status} {answer}");
            self.done.acted += 1;
            return Ok(());
        }
        self.done.deleted += 1;
        let (status, answer) = self.cloud.rest.answer("DELETE", &path, None).await?;
        ensure!(status < 300 || status == 404, "delete: {status} {answer}");
        Ok(())
    }

    async fn create(&mut self) -> Result<()> {
        self.done.created += 1;
        let made = self.cloud.rest.post(&format!("{}/instances", self.at), &self.ask).await?;
        // Some hosts cannot build some machines: those go elsewhere.
        if self.random.random_range(0..4) == 0 {
            self.done.refused += 1;
            let id: InstanceId = text(&made, "/id")?.parse()?;
            let first = self.random.random_range(0..self.hosts.len());
            for n in 0..2 {
                self.hosts[(first + n) % usize::from(HOSTS)].hardware.hypervisor.refuse_start(id, true);
            }
        }
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        let host = self.random.random_range(0..self.hosts.len());
        match self.random.random_range(0..100) {
            0..35 => self.hosts[host].kill_compute().await,
            35..65 => self.hosts[host].kill_net().await,
            65..75 => {
                self.done.power += 1;
                return self.hosts[host].reboot().await;
            }
            75..85 => {
                self.done.api += u32::from(self.cloud.api.kill());
                return Ok(());
            }
            85..96 => {
                self.done.scheduler += u32::from(self.cloud.scheduler.kill());
                return Ok(());
            }
            _ => {
                self.done.postgres += 1;
                // It may just be starting from the last time.
                let _ = self.cloud.kill_postgres();
                return Ok(());
            }
        }
        self.done.agents += 1;
        Ok(())
    }

    /// Everything rests, and each machine is what was last wanted of it.
    async fn as_wanted(&mut self) -> Result<()> {
        self.cloud.settled(&self.hosts, REST).await.context("after the kills")?;
        for machine in self.machines().await? {
            let status = text(&machine, "/status")?;
            ensure!(["running", "stopped"].contains(&status), "a machine rests as {status}: {machine}");
        }
        for host in &self.hosts {
            ensure!(host.hardware.hypervisor.overlaps() == 0, "two calls on one machine at once on {}", host.name());
        }
        Ok(())
    }

    /// All are deleted, and nothing is left anywhere.
    async fn away(&mut self) -> Result<()> {
        for machine in self.machines().await? {
            self.cloud.rest.delete(&format!("{}/instances/{}", self.at, text(&machine, "/id")?)).await?;
        }
        self.cloud.settled(&self.hosts, REST).await.context("after deleting all")?;
        ensure!(self.machines().await?.is_empty(), "machines are left");
        for host in &self.hosts {
            let left = host.traces()?;
            ensure!(left.domains.is_empty() && left.disks.is_empty(), "{}: {left:?}", host.name());
            ensure!(left.taps.is_empty() && left.networks.is_empty(), "{}: {left:?}", host.name());
            ensure!(host.hardware.hypervisor.list().await?.is_empty());
        }
        let hosts = self.cloud.rest.get("/v1/system/hosts").await?;
        for host in hosts["items"].as_array().into_iter().flatten() {
            ensure!(host["used"]["vcpus"] == 0 && host["instances"] == 0, "room was not given back: {host}");
        }
        Ok(())
    }
}

/// An image, a network, a flavor; what a machine of them is asked for with.
async fn prepare(cloud: &Cloud, at: &str) -> Result<Value> {
    let rest = &cloud.rest;
    let image = rest.post(&format!("{at}/images"), &json!({"name": "empty", "disk_format": "raw"})).await?;
    let image = text(&image, "/id")?.to_owned();
    let file = cloud.dir().join("empty.raw");
    std::fs::write(&file, [0; 4096])?;
    rest.upload(&format!("{at}/images/{image}/file"), &file).await?;
    let network = rest.post(&format!("{at}/networks"), &json!({"name": "n"})).await?;
    let network = text(&network, "/id")?.to_owned();
    rest.post(&format!("{at}/subnets"), &json!({"network_id": network, "name": "s", "cidr": "10.0.0.0/24"})).await?;
    let flavor = json!({"name": "small", "vcpus": 1, "memory_mib": 128, "disk_gib": 1});
    let flavor = text(&rest.post("/v1/system/flavors", &flavor).await?, "/id")?.to_owned();
    Ok(json!({"name": "m", "flavor_id": flavor, "image_id": image, "interfaces": [{"network_id": network}]}))
}
