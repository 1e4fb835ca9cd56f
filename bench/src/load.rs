//! The requests that are measured.

use crate::times::Times;
use anyhow::{Context, Result, bail, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use iroko_sim::Tenant;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// From the last POST until everything runs, and from the last DELETE until everything is gone.
const BOUND: Duration = Duration::from_secs(300);
/// Between two looks at what runs: the resolution of the time to running.
const LOOK: Duration = Duration::from_millis(20);

/// A tenant with a token and connections that are kept alive.
#[derive(Debug)]
pub struct Load {
    tenant: Tenant,
    networks: Vec<String>,
    client: reqwest::Client,
    token: Mutex<String>,
}

/// Machines that were made.
#[derive(Debug)]
pub struct Made {
    /// Their ids.
    pub ids: Vec<String>,
    /// Time of each POST.
    pub posts: Times,
    /// From each machine's POST until it was seen running.
    pub runs: Times,
    /// From the first POST until the last machine ran.
    pub took: Duration,
}

impl Made {
    /// Machines a second.
    pub fn per_s(&self) -> f64 {
        self.ids.len() as f64 / self.took.as_secs_f64()
    }
}

impl Load {
    /// For a tenant with these networks.
    pub async fn new(tenant: &Tenant, networks: Vec<String>) -> Result<Self> {
        let token = Mutex::new(tenant.rest.log_in().await?);
        Ok(Self { tenant: tenant.clone(), networks, client: reqwest::Client::new(), token })
    }

    /// A new token: one holds for a quarter of an hour.
    pub async fn renew_token(&self) -> Result<()> {
        let token = self.tenant.rest.log_in().await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.client.request(method, format!("{}{path}", self.tenant.rest.base())).bearer_auth(token)
    }

    /// The answer's body and the time until all of it was there.
    async fn timed(request: reqwest::RequestBuilder) -> Result<(Vec<u8>, Duration)> {
        let began = Instant::now();
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body));
        Ok((body.to_vec(), began.elapsed()))
    }

    /// Asks for machines and waits until all run.
    pub async fn create(&self, count: usize, concurrency: usize) -> Result<Made> {
        let began = Instant::now();
        let asked = AtomicBool::new(false);
        let posts = async {
            let posts = (0..count).map(|number| self.post(number));
            let posts: Result<Vec<_>> = stream::iter(posts).buffer_unordered(concurrency).try_collect().await;
            asked.store(true, Ordering::Release);
            posts
        };
        let (posts, ran) = tokio::try_join!(posts, self.watch(count, &asked))?;
        let last = ran.values().max().context("nothing runs")?;
        let took = *last - began;
        let runs = posts.iter().map(|(id, from, _)| Ok(*ran.get(id).context("a machine never ran")? - *from));
        let runs: Result<Vec<_>> = runs.collect();
        let times = posts.iter().map(|(_, _, time)| *time).collect();
        let ids = posts.into_iter().map(|(id, ..)| id).collect();
        Ok(Made { ids, posts: Times::new(times), runs: Times::new(runs?), took })
    }

    async fn post(&self, number: usize) -> Result<(String, Instant, Duration)> {
        let network = &self.networks[number % self.networks.len()];
        let path = format!("{}/instances", self.tenant.at);
        let from = Instant::now();
        let body = self.tenant.body(&format!("bench-{number}"), network);
        let (answer, time) = Self::timed(self.request(reqwest::Method::POST, &path).json(&body)).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        Ok((answer["id"].as_str().context("no id")?.to_owned(), from, time))
    }

    /// When each machine was first seen running, as a tenant sees it: by pages of the list, from the first
    /// page that has one that does not run yet.
    async fn watch(&self, count: usize, asked: &AtomicBool) -> Result<HashMap<String, Instant>> {
        let mut ran = HashMap::with_capacity(count);
        let mut from = String::new();
        let mut end = None;
        while ran.len() < count {
            let began = Instant::now();
            let mut cursor = from.clone();
            let mut whole = true;
            loop {
                let page = self.page(&cursor).await?;
                let items = page["items"].as_array().context("no items")?;
                let runs = |item: &&Value| item["status"] == "running";
                for id in items.iter().filter(runs).filter_map(|item| item["id"].as_str()) {
                    ran.entry(id.to_owned()).or_insert_with(Instant::now);
                }
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
                whole &= items.iter().all(|item| item["status"] == "running");
                if whole {
                    from.clone_from(&cursor);
                }
            }
            let until = asked.load(Ordering::Acquire).then(|| *end.get_or_insert_with(|| Instant::now() + BOUND));
            if until.is_some_and(|until| Instant::now() > until) {
                bail!("only {} of {count} machines run", ran.len());
            }
            tokio::time::sleep(LOOK.max(began.elapsed())).await;
        }
        Ok(ran)
    }

    async fn page(&self, cursor: &str) -> Result<Value> {
        let path = format!("{}/instances?limit=100{cursor}", self.tenant.at);
        let (body, _) = Self::timed(self.request(reqwest::Method::GET, &path)).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Deletes machines and waits until none is left; deletes a second.
    pub async fn delete(&self, ids: &[String], concurrency: usize) -> Result<f64> {
        let began = Instant::now();
        let deletes = ids.iter().map(|id| Self::timed(self.request(reqwest::Method::DELETE, &self.tenant.path(id))));
        let _: Vec<_> = stream::iter(deletes).buffer_unordered(concurrency).try_collect().await?;
        let end = Instant::now() + BOUND;
        loop {
            let page = self.page("").await?;
            let left = page["items"].as_array().map_or(0, Vec::len);
            if left == 0 {
                return Ok(ids.len() as f64 / began.elapsed().as_secs_f64());
            }
            ensure!(Instant::now() < end, "{left} machines or more are still there");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Reads single machines: requests a second, times.
    pub async fn read_one(&self, ids: &[String], count: usize, concurrency: usize) -> Result<(f64, Times)> {
        let paths = ids.iter().cycle().take(count).map(|id| self.tenant.path(id));
        self.read(paths, concurrency).await
    }

    /// Reads the first page of 100.
    pub async fn read_page(&self, count: usize, concurrency: usize) -> Result<(f64, Times)> {
        let path = format!("{}/instances?limit=100", self.tenant.at);
        self.read(std::iter::repeat_n(path, count), concurrency).await
    }

    async fn read(&self, paths: impl Iterator<Item = String>, concurrency: usize) -> Result<(f64, Times)> {
        let began = Instant::now();
        let reads = paths.map(|path| Self::timed(self.request(reqwest::Method::GET, &path)));
        let reads: Vec<_> = stream::iter(reads).buffer_unordered(concurrency).try_collect().await?;
        let rate = reads.len() as f64 / began.elapsed().as_secs_f64();
        Ok((rate, Times::new(reads.into_iter().map(|(_, time)| time).collect())))
    }
}
