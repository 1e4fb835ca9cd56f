//! A tenant who asks for this and that, whatever is being killed.
//!
//! An answer may be lost with the process that gave it. So what is there is asked, not remembered: an
//! answer that did not come may mean a machine more, never a machine half.

use anyhow::{Context, Result, bail};
use iroko_sim::Tenant;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use serde_json::Value;
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
    lost: u32,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { creates, deletes, others, lost } = self;
        write!(f, "{creates} creates, {deletes} deletes, {others} other acts, {lost} answers lost")
    }
}

impl Work {
    pub fn begin(tenant: Tenant, networks: Vec<String>, seed: u64) -> Self {
        let stop = CancellationToken::new();
        let worker = |number| {
            let rng = StdRng::seed_from_u64(seed ^ number);
            tokio::spawn(work(tenant.clone(), networks.clone(), rng, stop.clone()))
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
            all.lost += asked.lost;
        }
        Ok(all)
    }
}

async fn work(tenant: Tenant, networks: Vec<String>, mut rng: StdRng, stop: CancellationToken) -> Result<Asked> {
    let mut asked = Asked::default();
    while !stop.is_cancelled() {
        let known = match tenant.rest.call(reqwest::Method::GET, &format!("{}/instances", tenant.at), None).await {
            Ok((StatusCode::OK, page)) => page["items"].as_array().cloned().unwrap_or_default(),
            _ => {
                asked.lost += 1;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let answer = one(&tenant, &networks, &known, &mut rng, &mut asked).await;
        match answer {
            Ok((status, _)) if status.is_success() => {}
            // Deleted by another worker meanwhile, or already on its way out.
            Ok((StatusCode::NOT_FOUND | StatusCode::CONFLICT, _)) => {}
            Ok((status, body)) if !status.is_server_error() => bail!("refused: {status} {body}"),
            Ok(_) | Err(_) => asked.lost += 1,
        }
    }
    Ok(asked)
}

async fn one(
    tenant: &Tenant,
    networks: &[String],
    known: &[Value],
    rng: &mut StdRng,
    asked: &mut Asked,
) -> Result<(StatusCode, Value)> {
    let choice = rng.random_range(0..100);
    let id = known.choose(rng).and_then(|machine| machine["id"].as_str());
    let Some(id) = id.filter(|_| choice >= 45 || known.len() >= MACHINES) else {
        asked.creates += 1;
        let network = networks.choose(rng).context("no network")?;
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
