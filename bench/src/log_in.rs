//! Measures log-ins and the check of credentials, and prints tables in Markdown, nothing else.
//!
//! PostgreSQL, API and scheduler start in a temporary directory, in the release build. People log in, one
//! account each, 1, 8 and 64 at a time; requests that do nothing but ask who calls show what the check of
//! an access token and of an API key costs; and the same requests during a storm of log-ins show
//! whether the bound on password hashing keeps the API going.

mod reads;
mod times;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::stream::{self, StreamExt, TryStreamExt};
use iroko_sim::Cloud;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use times::{Times, ms};

/// Asks for nothing but who calls.
const ASK: &str = "/v1/auth/me";
const PASSWORD: &str = "kofi plants an iroko tree";
/// Between two of the requests that are made during a storm: what a portal might ask.
const PACE: Duration = Duration::from_millis(5);

#[derive(Debug, Parser)]
#[command(version, about = "Measures log-ins and the check of credentials")]
struct Args {
    /// Log-ins in each round.
    #[arg(long, default_value_t = 300)]
    log_ins: usize,
    /// Requests that check credentials in each round.
    #[arg(long, default_value_t = 3000)]
    checks: usize,
    /// People, and log-ins at a time in the storm.
    #[arg(long, default_value_t = 64)]
    people: usize,
    /// Directory of the daemons' programs. Unset: that of this one.
    #[arg(long)]
    programs: Option<PathBuf>,
}

struct World {
    client: Client,
    base: String,
    people: Vec<String>,
}

/// How a log-in went.
enum Outcome {
    In(Duration),
    /// Too many passwords waited: told to come again.
    Later(Duration),
}

impl World {
    async fn new(cloud: &Cloud, people: usize) -> Result<(Self, String)> {
        let rest = &cloud.rest;
        let me = rest.get(ASK).await?;
        let organization = me["organization_id"].as_str().context("who am I?")?;
        let path = format!("/v1/organizations/{organization}");
        let mut names = Vec::new();
        for number in 0..people {
            let username = format!("kofi.{number}");
            rest.post(&format!("{path}/users"), &json!({"username": username, "password": PASSWORD})).await?;
            names.push(username);
        }
        let robot = rest.post(&format!("{path}/service-accounts"), &json!({"name": "bench"})).await?;
        let robot = robot["id"].as_str().context("no service account")?;
        let key = rest.post(&format!("{path}/service-accounts/{robot}/api-keys"), &json!({"name": "bench"})).await?;
        let key = key["key"].as_str().context("no key")?.to_owned();
        Ok((Self { client: Client::new(), base: rest.base().to_owned(), people: names }, key))
    }

    async fn log_in(&self, number: usize) -> Result<(Outcome, Value)> {
        let body = json!({"username": self.people[number % self.people.len()], "password": PASSWORD});
        let began = Instant::now();
        let answer = self.client.post(format!("{}/v1/auth/token", self.base)).json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        match status {
            StatusCode::OK => Ok((Outcome::In(began.elapsed()), serde_json::from_str(&text)?)),
            StatusCode::SERVICE_UNAVAILABLE => Ok((Outcome::Later(began.elapsed()), Value::Null)),
            _ => anyhow::bail!("a log-in was answered {status} {text}"),
        }
    }

    /// So many log-ins: those that succeeded, those that were told to come later, and how long it took.
    async fn log_ins(&self, count: usize, concurrency: usize) -> Result<(Times, Times, Duration)> {
        let began = Instant::now();
        let all = stream::iter((0..count).map(|number| self.log_in(number))).buffer_unordered(concurrency);
        let (mut went, mut later) = (Vec::new(), Vec::new());
        for (outcome, _) in all.try_collect::<Vec<_>>().await? {
            match outcome {
                Outcome::In(time) => went.push(time),
                Outcome::Later(time) => later.push(time),
            }
        }
        Ok((Times::new(went), Times::new(later), began.elapsed()))
    }

    async fn check(&self, credential: &str) -> Result<Duration> {
        let began = Instant::now();
        let answer =
            self.client.request(Method::GET, format!("{}{ASK}", self.base)).bearer_auth(credential).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        ensure!(status.is_success(), "{status}");
        Ok(began.elapsed())
    }

    async fn checks(&self, credential: &str, count: usize, concurrency: usize) -> Result<(f64, Times)> {
        let began = Instant::now();
        let all = stream::iter((0..count).map(|_| self.check(credential))).buffer_unordered(concurrency);
        let times: Vec<_> = all.try_collect().await?;
        Ok((count as f64 / began.elapsed().as_secs_f64(), Times::new(times)))
    }

    /// Checks at an even pace until told to stop.
    async fn paced(&self, credential: &str, stop: &AtomicBool) -> Result<Times> {
        let mut times = Vec::new();
        while !stop.load(Ordering::Acquire) {
            times.push(self.check(credential).await?);
            tokio::time::sleep(PACE).await;
        }
        Ok(Times::new(times))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let own = std::env::current_exe()?;
    let programs = args.programs.clone().or_else(|| own.parent().map(Path::to_owned)).context("no programs")?;
    let cloud = Cloud::start_with(Some(&programs), "").await?;
    cloud.rest.log_in().await?;
    let (world, key) = World::new(&cloud, args.people).await?;
    let (_, tokens) = world.log_in(0).await?;
    let token = tokens["access_token"].as_str().context("no token")?;

    println!(
        "| log-ins at a time | log-ins/s | p50 ms | p95 ms | told to come later |\n| --: | --: | --: | --: | --: |"
    );
    for concurrency in [1, 8, args.people] {
        let (went, later, took) = world.log_ins(args.log_ins, concurrency).await?;
        let rate = went.count() as f64 / took.as_secs_f64();
        println!("| {concurrency} | {rate:.1} | {:.0} | {:.0} | {} |", ms(went.at(50)), ms(went.at(95)), later.count());
    }
    println!();
    let mut rows = Vec::new();
    for (name, credential) in [("access token", token), ("API key", &key)] {
        for concurrency in [1, 8] {
            let (rate, times) = world.checks(credential, args.checks, concurrency).await?;
            rows.push((format!("{name}, {concurrency} at a time"), rate, times));
        }
    }
    reads::print(&rows);

    let stop = AtomicBool::new(false);
    let alone = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.store(true, Ordering::Release);
    };
    let (calm, ()) = tokio::join!(world.paced(token, &stop), alone);
    let stop = AtomicBool::new(false);
    let storm = async {
        let done = world.log_ins(args.log_ins, args.people).await;
        stop.store(true, Ordering::Release);
        done
    };
    let (during, storm) = tokio::join!(world.paced(token, &stop), storm);
    let ((calm, during), (went, later, took)) = ((calm?, during?), storm?);
    println!(
        "| an access token's check, every {} ms | p50 ms | p99 ms | max ms |\n| --- | --: | --: | --: |",
        PACE.as_millis()
    );
    for (name, times) in [("with nothing else", &calm), ("during the storm", &during)] {
        println!("| {name} | {:.2} | {:.2} | {:.2} |", ms(times.at(50)), ms(times.at(99)), ms(times.at(100)));
    }
    println!(
        "\nThe storm: {} log-ins, {} at a time: {:.1}/s, {} told to come later.",
        args.log_ins,
        args.people,
        went.count() as f64 / took.as_secs_f64(),
        later.count()
    );
    Ok(())
}
