//! Measures how long a change of a security group takes from the API call to the kernels of all hosts that
//! need it, and prints a table in Markdown.
//!
//! One lab: its two real hosts, each with a machine, and a hundred simulated ones beside them with a
//! thousand. All machines are in one group whose rules refer to it, and on one network. A simulated host has
//! it when its kernel in memory has it, a real one with the change of its filter, as `nft monitor` tells it,
//! after which it answers so. Everything shares this
//! machine's processors.

mod place;
mod seen;
#[path = "../times.rs"]
mod times;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::stream::{self, StreamExt, TryStreamExt};
use iroko_lab::rest::text;
use iroko_lab::{Lab, Options, Tenant};
use iroko_model::Vni;
use place::Simulated;
use seen::{Change, Monitor, Watched};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use times::{Times, ms};
use tokio::signal::unix::{SignalKind, signal};

/// Until all machines run.
const BOUND: Duration = Duration::from_secs(600);
/// Requests at the same time while the machines are made.
const AT_ONCE: usize = 16;
/// Which lab of this machine it is.
const LAB: u8 = 77;

#[derive(Debug, Parser)]
#[command(version, about = "Measures how soon changes of a security group are in force on all hosts")]
struct Args {
    /// Machines in the group, beside one on each real host.
    #[arg(long, default_value_t = 1000)]
    members: usize,
    /// Simulated hosts.
    #[arg(long, default_value_t = 100)]
    hosts: u16,
    /// Times each change is made.
    #[arg(long, default_value_t = 30)]
    rounds: u16,
    /// Directory of the daemons' programs. Unset: that of this one.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// What the changes are made to.
struct Ground {
    tenant: Tenant,
    group: String,
    address_set: String,
    /// Port of the machine that joins and leaves the group.
    joiner: String,
    joiner_address: String,
    vni: Vni,
    /// The group that machine is in besides.
    other: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let own = std::env::current_exe()?;
    let programs = args.programs.clone().or_else(|| Some(own.parent()?.to_owned())).context("no programs")?;
    let dir = std::env::temp_dir().join(format!("iroko-enforcement-{}", std::process::id()));
    let options =
        Options { dir: dir.clone(), number: LAB, hosts: 2, port: 0, programs: Some(programs), detached: false };
    let lab = Lab::start(&options).await;
    let measured = async {
        let lab = lab?;
        let simulated = Simulated::join(&lab.rest, &options.agent_link(), args.hosts).await?;
        measure(&args, &lab, &simulated).await
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let measured = tokio::select! {
        measured = measured => measured,
        _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let ended = Lab::end(&dir).await;
    let _ = std::fs::remove_dir_all(&dir);
    measured.and(ended)
}

async fn measure(args: &Args, lab: &Lab, simulated: &Simulated) -> Result<()> {
    let ground = ground(args, lab, simulated).await?;
    let monitors = lab.hosts.iter().map(Monitor::start).collect::<Result<Vec<_>>>()?;
    let watched = Watched { simulated: simulated.kernels(), monitors: &monitors };
    println!(
        "{} members, {} simulated hosts and {} real ones, each change {} times\n",
        args.members + lab.hosts.len(),
        args.hosts,
        lab.hosts.len(),
        args.rounds
    );
    println!(
        "| change | answer p50 ms | p99 ms | simulated host p50 ms | p99 ms | last of them p50 ms | p99 ms | real host p50 ms | p99 ms |\n\
         | --- | --: | --: | --: | --: | --: | --: | --: | --: |"
    );
    let mut rows = Change::ALL.map(|_| Rows::default());
    for round in 0..args.rounds {
        for (change, rows) in Change::ALL.into_iter().zip(&mut rows) {
            let began = Instant::now();
            let sought = make(&ground, change, round).await?;
            rows.answers.push(began.elapsed());
            let [simulated, real] = watched.until_seen(&sought, began).await?;
            rows.last.extend(simulated.iter().max());
            rows.simulated.extend(simulated);
            rows.real.extend(real);
        }
    }
    for (change, rows) in Change::ALL.into_iter().zip(rows) {
        rows.print(change.name());
    }
    Ok(())
}

#[derive(Default)]
struct Rows {
    answers: Vec<Duration>,
    simulated: Vec<Duration>,
    last: Vec<Duration>,
    real: Vec<Duration>,
}

impl Rows {
    fn print(self, name: &str) {
        let columns = [self.answers, self.simulated, self.last, self.real].map(|times| {
            let times = Times::new(times);
            format!("{:.0} | {:.0}", ms(times.at(50)), ms(times.at(99)))
        });
        println!("| {name} | {} |", columns.join(" | "));
    }
}

/// Makes a change by the API; what is to be seen of it on hosts.
async fn make(ground: &Ground, change: Change, round: u16) -> Result<seen::Sought> {
    let Ground { tenant, group, .. } = ground;
    let (rest, at) = (&tenant.rest, &tenant.at);
    let port = format!("{at}/ports/{}", ground.joiner);
    Ok(match change {
        Change::Rule => {
            let rule =
                json!({"direction": "ingress", "ethertype": "ipv4", "protocol": "tcp", "port_first": 1000 + round});
            let rule = rest.post(&format!("{at}/security-groups/{group}/rules"), &rule).await?;
            seen::Sought::Rule { group: group.parse()?, rule: text(&rule, "/id")?.to_owned() }
        }
        Change::Join => {
            rest.patch(&port, &json!({"security_group_ids": [ground.other, group]})).await?;
            seen::Sought::Member {
                group: group.parse()?,
                vni: ground.vni,
                address: ground.joiner_address.parse()?,
                is_there: true,
            }
        }
        Change::Leave => {
            rest.patch(&port, &json!({"security_group_ids": [ground.other]})).await?;
            seen::Sought::Member {
                group: group.parse()?,
                vni: ground.vni,
                address: ground.joiner_address.parse()?,
                is_there: false,
            }
        }
        Change::AddressSet => {
            let address = format!("198.51.100.{}", round % 250 + 1);
            let cidrs = json!({"cidrs": [format!("{address}/32")]});
            rest.patch(&format!("{at}/address-sets/{}", ground.address_set), &cidrs).await?;
            seen::Sought::Range { set: ground.address_set.parse()?, address: address.parse()? }
        }
    })
}

/// The group, the network and all machines, running.
async fn ground(args: &Args, lab: &Lab, simulated: &Simulated) -> Result<Ground> {
    eprintln!("image and network");
    let tenant = Tenant::new(lab).await?;
    let (rest, at) = (tenant.rest.clone(), tenant.at.clone());
    let network = tenant.network("enforcement", "10.50.0.0/16").await?;
    let group = |name: &'static str| {
        let (rest, at) = (rest.clone(), at.clone());
        async move {
            let made = rest.post(&format!("{at}/security-groups"), &json!({"name": name})).await?;
            Ok::<_, anyhow::Error>(text(&made, "/id")?.to_owned())
        }
    };
    let (all, other) = (group("all").await?, group("other").await?);
    let set = json!({"name": "outside", "cidrs": ["203.0.113.1/32"]});
    let address_set = text(&rest.post(&format!("{at}/address-sets"), &set).await?, "/id")?.to_owned();
    for remote in [json!({"remote_group_id": all}), json!({"remote_address_set_id": address_set})] {
        let mut rule = json!({"direction": "ingress", "ethertype": "ipv4"});
        rule.as_object_mut().context("no object")?.extend(remote.as_object().context("no object")?.clone());
        rest.post(&format!("{at}/security-groups/{all}/rules"), &rule).await?;
    }
    let machine = |name: String, group: &str| {
        let body = json!({"name": name, "flavor_id": tenant.flavor, "image_id": tenant.image,
                          "interfaces": [{"network_id": network, "security_group_ids": [group]}]});
        let (rest, path) = (rest.clone(), format!("{at}/instances"));
        async move { rest.post(&path, &body).await }
    };
    let take = |names: Vec<String>, is_taking: bool| async move {
        for name in names {
            let found = lab.rest.get(&format!("/v1/system/hosts?name={name}")).await?;
            let path = format!("/v1/system/hosts/{}", text(&found, "/items/0/id")?);
            let state = if is_taking { "enabled" } else { "disabled" };
            lab.rest.patch(&path, &json!({"state": state})).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let real: Vec<String> = lab.hosts.iter().map(iroko_lab::Host::name).collect();
    take(real.clone(), false).await?;
    eprintln!("simulated hosts");
    simulated.until_reachable(&rest).await?;
    eprintln!("machines on simulated hosts");
    let joiner = machine("joiner".to_owned(), &other).await?;
    let members = (0..args.members).map(|number| machine(format!("member-{number}"), &all));
    let _: Vec<Value> = stream::iter(members).buffer_unordered(AT_ONCE).try_collect().await?;
    until_running(&tenant, args.members + 1).await?;
    eprintln!("machines on real hosts");
    take(real.clone(), true).await?;
    take(simulated.names(), false).await?;
    for name in &real {
        machine(format!("on-{name}"), &all).await?;
    }
    until_running(&tenant, args.members + 1 + real.len()).await?;
    take(simulated.names(), true).await?;
    Ok(Ground {
        group: all,
        other,
        address_set,
        vni: simulated.vni()?,
        joiner: text(&joiner, "/interfaces/0/port_id")?.to_owned(),
        joiner_address: text(&joiner, "/interfaces/0/ip_addresses/0")?.to_owned(),
        tenant,
    })
}

async fn until_running(tenant: &Tenant, count: usize) -> Result<()> {
    let until = Instant::now() + BOUND;
    loop {
        let page = tenant.rest.get(&format!("{}/instances?limit=1000", tenant.at)).await?;
        let mut items = page["items"].as_array().context("no items")?.clone();
        if let Some(next) = page["next_cursor"].as_str() {
            let page = tenant.rest.get(&format!("{}/instances?limit=1000&cursor={next}", tenant.at)).await?;
            items.extend(page["items"].as_array().context("no items")?.iter().cloned());
        }
        let running = items.iter().filter(|item| item["status"] == "running").count();
        if running == count {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{running} of {count} machines run");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
