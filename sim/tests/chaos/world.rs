//! The cloud that is struck.

use crate::workload::{Ground, Wanted, Work};
use anyhow::{Result, ensure};
use iroko_compute_agent::Hypervisor;
use iroko_compute_agent::hypervisor::DomainState;
use iroko_lab::wait::until;
use iroko_model::Resources;
use iroko_sim::hardware::Latencies;
use iroko_sim::{Cloud, SimHost, Tenant, settle};
use serde_json::Value;
use std::time::Duration;

/// Hosts, and machines that fit on one: more are asked for than fit on all.
const HOSTS: u16 = 5;
const FIT: u64 = 6;
/// Networks of the tenant.
const NETWORKS: u8 = 3;
/// From a wish until it has come true, with nothing in its way.
const COME: Duration = Duration::from_secs(60);
/// From the request to delete everything until nothing is left of it.
const GONE: Duration = Duration::from_secs(90);

pub struct World {
    pub cloud: Cloud,
    pub hosts: Vec<SimHost>,
    pub tenant: Tenant,
    pub ground: Ground,
}

impl World {
    pub async fn start() -> Result<Self> {
        let cloud = Cloud::start(None).await?;
        cloud.rest.log_in().await?;
        let capacity = Resources { vcpus: FIT, memory_mib: FIT * 128, disk_gib: FIT };
        let ms = Duration::from_millis;
        let latencies = Latencies { domain: ms(3), disk: ms(15), net: ms(2) };
        let mut hosts = Vec::new();
        for number in 1..=HOSTS {
            let mut settings = cloud.admit(number, capacity).await?;
            settings.verify_period_s = 2;
            settings.compute.poll_period_s = 1;
            settings.compute.stop_timeout_s = 2;
            settings.compute.restart_wait_max_s = 2;
            hosts.push(SimHost::start(settings, latencies)?);
        }
        cloud.until_reachable(hosts.len()).await?;
        let tenant = Tenant::new(cloud.rest.clone()).await?;
        let ground = Ground::new(&tenant, NETWORKS).await?;
        Ok(Self { cloud, hosts, tenant, ground })
    }

    /// Begins to ask for machines and changes of them.
    pub fn work(&self, seed: u64) -> Work {
        Work::begin(self.tenant.clone(), &self.ground, seed)
    }

    pub async fn settle(&mut self) -> Result<()> {
        settle(&mut self.cloud, &self.hosts).await
    }

    /// With nothing being killed: each machine comes to what was asked for last, whatever was before.
    pub async fn comes_to_what_was_wanted(&mut self, seed: u64) -> Result<()> {
        let wanted = Wanted::ask(&self.tenant, &self.ground, seed).await?;
        let come = || async { wanted.check(&self.tenant).await.map_err(|error| format!("{error:#}")) };
        until("each machine is as it was wanted last", COME, come).await?;
        println!("        {wanted}");
        self.settle().await
    }

    /// Some machine of a host goes off by itself, or its definition is lost.
    pub async fn meddle(&self, host: usize, forget: bool) -> Result<()> {
        let hypervisor = &self.hosts[host].hardware().hypervisor;
        let running = hypervisor.list().await?.into_iter().find(|(_, state)| *state == DomainState::Running);
        if let Some((id, _)) = running {
            hypervisor.happen(id, (!forget).then_some(DomainState::Off), false);
        }
        Ok(())
    }

    /// Deletes every machine; then nothing of any is left anywhere.
    pub async fn delete_all(&mut self) -> Result<()> {
        for instance in self.tenant.instances().await? {
            let path = self.tenant.path(instance["id"].as_str().unwrap_or_default());
            self.tenant.rest.delete(&path).await?;
        }
        until("every machine is deleted", GONE, || async {
            let left = self.tenant.instances().await.map_err(|error| format!("{error:#}"))?;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await?;
        self.settle().await?;
        let ports = self.tenant.rest.get(&format!("{}/ports", self.tenant.at)).await?;
        ensure!(ports["items"].as_array().is_some_and(Vec::is_empty), "ports are left: {ports}");
        let seen = self.cloud.rest.get("/v1/system/hosts").await?;
        let used = |host: &Value| host.pointer("/used/vcpus").and_then(Value::as_u64);
        for host in seen["items"].as_array().into_iter().flatten() {
            ensure!(used(host) == Some(0), "capacity of a host is lost: {host}");
        }
        for host in &self.hosts {
            let traces = host.traces().await?;
            let nothing = traces.domains.is_empty() && traces.disks.is_empty() && traces.taps.is_empty();
            ensure!(nothing && traces.networks.is_empty(), "{} keeps {traces:?}", host.name());
        }
        Ok(())
    }
}
