//! `iroko-lab`: starts, shows and ends a cloud on this machine.

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use iroko_lab::{Lab, Options, demo, ratio};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

/// A whole cloud on this machine.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Directory of the lab's files.
    #[arg(long, default_value = ".iroko", global = true)]
    dir: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Starts an empty cloud, or takes up the one that was there.
    Up {
        /// Hosts.
        #[arg(long, default_value_t = 2)]
        hosts: u8,
        /// Port of the REST API on 127.0.0.1.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Which of the labs of this machine: its underlay is 198.18.NUMBER.0/24.
        #[arg(long, default_value_t = 0)]
        number: u8,
    },
    /// Runs the main job on it and prints every step.
    Demo,
    /// Measures POST to `running` beside `virsh create` on a lab of one host of its own.
    Ratio,
    /// Writes a new token into the lab's `env`.
    Token,
    /// Runs a command on a host, in its namespaces.
    Exec {
        /// The host, host-1.
        host: String,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Ends it and removes its files. Images that were built stay.
    Down,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    match args.verb {
        Verb::Up { hosts, port, number } => up(args.dir, hosts, port, number).await,
        Verb::Demo => Box::pin(demo::run(&Lab::open(&args.dir)?)).await,
        Verb::Ratio => measure(args.dir).await,
        Verb::Token => {
            println!("{}", demo::write_env(&Lab::open(&args.dir)?).await?.display());
            Ok(())
        }
        Verb::Exec { host, command } => exec(&Lab::open(&args.dir)?, &host, &command),
        Verb::Down => down(args.dir).await,
    }
}

async fn up(dir: PathBuf, hosts: u8, port: u16, number: u8) -> Result<()> {
    if let Ok(lab) = Lab::open(&dir)
        && lab.rest.log_in().await.is_ok()
    {
        ensure!(lab.hosts.len() >= usize::from(hosts), "a lab with {} hosts runs; `make down` first", lab.hosts.len());
        println!("the cloud runs: {}", lab.rest.base());
        return Ok(());
    }
    println!("==> start PostgreSQL, API, scheduler and {hosts} hosts");
    let lab = Lab::start(&Options { dir, number, hosts, port, programs: None, detached: true }).await?;
    let env = demo::write_env(&lab).await?;
    println!("    the cloud runs: {}, operator admin, password {}", lab.rest.base(), lab.password);
    println!("    environment: . {}", env.display());
    Ok(())
}

/// Number of the lab that measures; people's own have lower ones.
const RATIO_NUMBER: u8 = 9;

async fn measure(dir: PathBuf) -> Result<()> {
    let dir = dir.join("ratio");
    let options =
        Options { dir: dir.clone(), number: RATIO_NUMBER, hosts: 1, port: 0, programs: None, detached: false };
    let lab = Lab::start(&options).await?;
    let done = Box::pin(ratio::run(&lab)).await;
    drop(lab);
    std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
    // Where no other lab has files there, nothing stays.
    let _ = dir.parent().map(std::fs::remove_dir);
    done
}

fn exec(lab: &Lab, host: &str, command: &[String]) -> Result<()> {
    let host = lab.hosts.iter().find(|h| h.name() == host).with_context(|| format!("the lab has no host {host}"))?;
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    Err(host.command(&words)?.exec().into())
}

async fn down(dir: PathBuf) -> Result<()> {
    if !dir.exists() {
        println!("no lab in {}", dir.display());
        return Ok(());
    }
    Lab::end(&dir).await?;
    std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
    println!("the lab is gone");
    Ok(())
}
