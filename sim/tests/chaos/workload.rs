//! A tenant who asks for this and that, whatever is being killed.
//!
//! An answer may be lost with the process that gave it. So what is there is asked, not remembered: an
//! answer that did not come may mean a machine more, never a machine half.

use anyhow::{Context, Result, bail};
use iroko_lab::rest::text;
use iroko_sim::Tenant;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Requests at the same time.
const WORKERS: u64 = 3;
/// Machines wanted; beyond, the next ones are deleted.
const MACHINES: usize = 36;
/// Before an API that does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// What machines are made on and put under.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Networks.
    pub networks: Vec<String>,
    /// Security groups.
    pub groups: Vec<String>,
    /// QoS policies.
    pub policies: Vec<String>,
}

impl Ground {
    /// Some networks, groups whose rules come later, and policies that limit nothing yet.
    pub async fn new(tenant: &Tenant, networks: u8) -> Result<Self> {
        let mut ground = Self { networks: Vec::new(), groups: Vec::new(), policies: Vec::new() };
        for number in 0..networks {
            let cidr = format!("10.{number}.0.0/22");
            ground.networks.push(tenant.network(&format!("chaos-{number}"), &cidr).await?);
        }
        for number in 0..4 {
            let make = async |path: &str, body: Value| {
                let made = tenant.rest.post(&format!("{}/{path}", tenant.at), &body).await?;
                anyhow::Ok(text(&made, "/id")?.to_owned())
            };
            let name = format!("chaos-{number}");
            ground.groups.push(make("security-groups", json!({"name": name})).await?);
            ground.policies.push(make("qos-policies", json!({"name": name, "network_limits": {}})).await?);
        }
        Ok(ground)
    }
}

/// A tenant at work.
pub struct Work {
    stop: CancellationToken,
    workers: Vec<JoinHandle<Result<Asked>>>,
}

/// What was asked for, and how often no answer came.
#[derive(Debug, Default)]
pub struct Asked {
    creates: u32,
    deletes: u32,
    others: u32,
    rules: u32,
    lost: u32,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { creates, deletes, others, rules, lost } = self;
        write!(
            f,
            "{creates} creates, {deletes} deletes, {others} other acts, {rules} of rules and limits, {lost} answers lost"
        )
    }
}

impl Work {
    pub fn begin(tenant: Tenant, ground: &Ground, seed: u64) -> Self {
        let stop = CancellationToken::new();
        let worker = |number| {
            let rng = StdRng::seed_from_u64(seed ^ number);
            tokio::spawn(work(tenant.clone(), ground.clone(), rng, stop.clone()))
        };
        Self { workers: (0..WORKERS).map(worker).collect(), stop }
    }

    /// No more requests; what was asked for.
    pub async fn end(self) -> Result<Asked> {
        self.stop.cancel();
        let mut all = Asked::default();
        for worker in self.workers {
            let asked = worker.await.context("a worker died")??;
            all.creates += asked.creates;
            all.deletes += asked.deletes;
            all.others += asked.others;
            all.rules += asked.rules;
            all.lost += asked.lost;
        }
        Ok(all)
    }
}

async fn work(tenant: Tenant, ground: Ground, mut rng: StdRng, stop: CancellationToken) -> Result<Asked> {
    let mut asked = Asked::default();
    while !stop.is_cancelled() {
        let known = match tenant.rest.call(Method::GET, &format!("{}/instances", tenant.at), None).await {
            Ok((StatusCode::OK, page)) => page["items"].as_array().cloned().unwrap_or_default(),
            _ => {
                asked.lost += 1;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let answer = one(&tenant, &ground, &known, &mut rng, &mut asked).await;
        match answer {
            Ok((status, _)) if status.is_success() => {}
            // Deleted by another worker meanwhile, or already on its way out.
            Ok((StatusCode::NOT_FOUND | StatusCode::CONFLICT, _)) => {}
            // Its port was just being plugged in or out.
            Ok((StatusCode::PRECONDITION_FAILED, _)) => {}
            Ok((status, body)) if !status.is_server_error() => bail!("refused: {status} {body}"),
            Ok(_) | Err(_) => asked.lost += 1,
        }
    }
    Ok(asked)
}

async fn one(
    tenant: &Tenant,
    ground: &Ground,
    known: &[Value],
    rng: &mut StdRng,
    asked: &mut Asked,
) -> Result<(StatusCode, Value)> {
    let choice = rng.random_range(0..125);
    let machine = known.choose(rng);
    if let Some(machine) = machine.filter(|_| choice >= 100) {
        asked.rules += 1;
        return rules_and_limits(tenant, ground, machine, rng).await;
    }
    let id = machine.and_then(|machine| machine["id"].as_str());
    let Some(id) = id.filter(|_| choice >= 45 || known.len() >= MACHINES) else {
        asked.creates += 1;
        let network = ground.networks.choose(rng).context("no network")?;
        return tenant.ask(&format!("chaos-{}", rng.random::<u32>()), network).await;
    };
    let action = match choice {
        0..75 => "delete",
        75..84 => "stop",
        84..92 => "start",
        _ => "reboot",
    };
    *(if action == "delete" { &mut asked.deletes } else { &mut asked.others }) += 1;
    tenant.act(id, action).await
}

/// Changes what a machine's port may send and get, and how much.
async fn rules_and_limits(
    tenant: &Tenant,
    ground: &Ground,
    machine: &Value,
    rng: &mut StdRng,
) -> Result<(StatusCode, Value)> {
    let group = ground.groups.choose(rng).context("no group")?;
    let policy = ground.policies.choose(rng).context("no policy")?;
    let rules = format!("{}/security-groups/{group}/rules", tenant.at);
    let (method, path, body) = match rng.random_range(0..10) {
        0..4 => {
            let port = machine["interfaces"][0]["port_id"].as_str().context("a machine without a port")?;
            let groups: Vec<&String> = ground.groups.iter().filter(|_| rng.random_bool(0.4)).collect();
            let policy = rng.random_bool(0.6).then_some(policy);
            let body = json!({"security_group_ids": groups, "qos_policy_id": policy});
            (Method::PATCH, format!("{}/ports/{port}", tenant.at), body)
        }
        4..6 => {
            let body = json!({"network_limits": {"egress_kbit_s": rng.random_range(1..1000)}});
            (Method::PATCH, format!("{}/qos-policies/{policy}", tenant.at), body)
        }
        6..8 => {
            let remote = ground.groups.choose(rng).context("no group")?;
            let protocol = rng.random_range(0..256);
            let body =
                json!({"direction": "ingress", "ethertype": "ipv4", "protocol": protocol, "remote_group_id": remote});
            (Method::POST, rules, body)
        }
        _ => {
            let (status, page) = tenant.rest.call(Method::GET, &rules, None).await?;
            let rule =
                page["items"].as_array().and_then(|items| items.choose(rng)).and_then(|rule| rule["id"].as_str());
            let Some(rule) = rule else { return Ok((status, page)) };
            return tenant.rest.call(Method::DELETE, &format!("{rules}/{rule}"), None).await;
        }
    };
    tenant.rest.call(method, &path, Some(&body)).await
}
