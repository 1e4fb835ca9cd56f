//! A tenant who asks for this and that, whatever is being killed.
//!
//! An answer may be lost with the process that gave it. So what is there is asked, not remembered: an
//! answer that did not come may mean a machine more, never a machine half.

use anyhow::{Context, Result, bail, ensure};
use iroko_lab::rest::text;
use iroko_sim::Tenant;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Requests at the same time.
const WORKERS: u64 = 3;
/// Machines wanted; beyond, the next ones are deleted.
const MACHINES: usize = 36;
/// Machines more, when nothing is being killed, and how many surely fit on all hosts then.
const MORE: usize = 6;
const FIT: usize = 24;
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

/// What may be asked of a machine, and the status it leads to; none: it is deleted.
type Act = (&'static str, Option<&'static str>);
const START: Act = ("start", Some("running"));
const STOP: Act = ("stop", Some("stopped"));
const DELETE: Act = ("delete", None);

/// What was asked for last of each machine, when nothing was being killed and each answer came.
#[derive(Debug, Default)]
pub struct Wanted {
    /// By id: the status it must come to; none: it is deleted.
    machines: BTreeMap<String, Option<&'static str>>,
    /// By id of a port: the groups and the policy that it must be under.
    ports: BTreeMap<String, Value>,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |wanted| self.machines.values().filter(|status| **status == wanted).count();
        let (running, stopped, deleted) = (of(Some("running")), of(Some("stopped")), of(None));
        write!(f, "as wanted last: {running} running, {stopped} stopped, {deleted} deleted, {} ports", self.ports.len())
    }
}

impl Wanted {
    /// Asks something of every machine, whatever became of it before, and for some more; of those that would
    /// not fit, that they be deleted.
    pub async fn ask(tenant: &Tenant, ground: &Ground, seed: u64) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut wanted = Self::default();
        for _ in 0..MORE {
            let network = ground.networks.choose(&mut rng).context("no network")?;
            let (status, made) = tenant.ask(&format!("wanted-{}", rng.random::<u32>()), network).await?;
            ensure!(status.is_success(), "a machine is refused: {status} {made}");
        }
        for (number, machine) in tenant.instances().await?.iter().enumerate() {
            if number >= FIT {
                wanted.act(tenant, machine, &[DELETE], &mut rng).await?;
                continue;
            }
            // So that the last wish follows others of which it may not know the end.
            for _ in 0..rng.random_range(1..4) {
                wanted.act(tenant, machine, &[START, STOP, START, STOP, START, DELETE], &mut rng).await?;
            }
            if rng.random_bool(0.5) {
                wanted.put_under(tenant, ground, machine, &mut rng).await?;
            }
        }
        Ok(wanted)
    }

    async fn act(&mut self, tenant: &Tenant, machine: &Value, acts: &[Act], rng: &mut StdRng) -> Result<()> {
        let id = text(machine, "/id")?;
        if self.machines.get(id) == Some(&None) {
            return Ok(());
        }
        let (action, status) = *acts.choose(rng).context("no act")?;
        let (code, answer) = tenant.act(id, action).await?;
        ensure!(code.is_success(), "{action} of {id}: {code} {answer}");
        self.machines.insert(id.to_owned(), status);
        Ok(())
    }

    async fn put_under(&mut self, tenant: &Tenant, ground: &Ground, machine: &Value, rng: &mut StdRng) -> Result<()> {
        if self.machines.get(text(machine, "/id")?) == Some(&None) {
            return Ok(());
        }
        let port = text(machine, "/interfaces/0/port_id")?;
        let mut groups: Vec<&String> = ground.groups.iter().filter(|_| rng.random_bool(0.4)).collect();
        groups.sort();
        let policy = ground.policies.choose(rng).filter(|_| rng.random_bool(0.6));
        let body = json!({"security_group_ids": groups, "qos_policy_id": policy});
        let (code, answer) =
            tenant.rest.call(Method::PATCH, &format!("{}/ports/{port}", tenant.at), Some(&body)).await?;
        ensure!(code.is_success(), "{body} of the port {port}: {code} {answer}");
        self.ports.insert(port.to_owned(), body);
        Ok(())
    }

    /// Every machine is as it was last wanted, and there is none besides.
    pub async fn check(&self, tenant: &Tenant) -> Result<()> {
        let seen: BTreeMap<String, Option<String>> = tenant
            .instances()
            .await?
            .iter()
            .map(|machine| Ok((text(machine, "/id")?.to_owned(), Some(text(machine, "/status")?.to_owned()))))
            .collect::<Result<_>>()?;
        let wanted = self.machines.iter().filter(|(_, status)| status.is_some());
        let wanted: BTreeMap<String, Option<String>> =
            wanted.map(|(id, status)| (id.clone(), status.map(str::to_owned))).collect();
        ensure!(seen == wanted, "wanted last: {wanted:?}\nseen: {seen:?}");
        for (id, wanted) in &self.ports {
            let port = tenant.rest.get(&format!("{}/ports/{id}", tenant.at)).await?;
            let mut groups: Vec<&str> =
                port["security_group_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            groups.sort_unstable();
            let seen = json!({"security_group_ids": groups, "qos_policy_id": port["qos_policy_id"]});
            ensure!(&seen == wanted, "the port {id}: wanted last: {wanted}, seen: {seen}");
        }
        Ok(())
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
            // Beyond those that belong to one family of addresses.
            let protocol = rng.random_range(59..256);
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
