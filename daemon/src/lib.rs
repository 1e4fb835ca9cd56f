//! What every daemon of Iroko does the same way.
//!
//! One TOML file, overridable key by key from the environment; a log on standard error, one line an
//! event; a graceful end at SIGTERM or SIGINT. A mistake in the configuration is told with the key,
//! where it was read from and what is wrong, and the daemon does not start.

pub mod private;

use anyhow::Context;
use clap::Parser;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Command line of every daemon.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// The configuration file (TOML).
    #[arg(long, env = "IROKO_CONFIG")]
    pub config: PathBuf,
    /// Checks the configuration and ends.
    #[arg(long)]
    pub check: bool,
    /// Logs JSON instead of text.
    #[arg(long, env = "IROKO_LOG_JSON")]
    pub log_json: bool,
}

/// Starts a daemon called `name`: log, configuration, signals, then `main`. Environment variables
/// `IROKO_<NAME>__<TABLE>__<KEY>` override the file's keys; `IROKO_LOG` sets the log filter.
pub fn run<C, F>(name: &'static str, main: impl FnOnce(C, CancellationToken) -> F) -> anyhow::Result<()>
where
    C: DeserializeOwned,
    F: Future<Output = anyhow::Result<()>>,
{
    let args = Args::parse();
    // Whatever a daemon writes is its own; what others shall read is opened to them by name.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    start_log(args.log_json);
    let config = load(&args.config, name)?;
    if args.check {
        eprintln!("{}: the configuration is right", args.config.display());
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        end_at_signal(shutdown.clone())?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "{name} starts");
        Box::pin(main(config, shutdown)).await?;
        tracing::info!("{name} ends");
        Ok(())
    })
}

/// Reads a configuration: the file, then the environment over it.
pub fn load<C: DeserializeOwned>(path: &Path, name: &str) -> anyhow::Result<C> {
    std::fs::metadata(path).with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
    let prefix = format!("IROKO_{}__", name.trim_start_matches("iroko-").replace('-', "_").to_uppercase());
    let figment = Figment::new().merge(Toml::file_exact(path)).merge(Env::prefixed(&prefix).split("__"));
    // Figment's message names the key and where it was read from.
    figment.extract().map_err(|error| anyhow::anyhow!("configuration: {error}"))
}

fn start_log(json: bool) {
    let filter = EnvFilter::try_from_env("IROKO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { log.json().init() } else { log.with_ansi(false).init() }
}

fn end_at_signal(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("asked to end");
        shutdown.cancel();
    });
    Ok(())
}

/// An error with all its causes, in one line for the log.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[allow(dead_code, reason = "only its reading is tested")]
        link: Link,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Link {
        #[allow(dead_code, reason = "only its reading is tested")]
        port: u16,
    }

    fn error_of(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        load::<Config>(&path, "iroko-x-agent").unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_key() {
        assert!(error_of("[link]\nport = \"x\"").contains("link.port"), "{}", error_of("[link]\nport = \"x\""));
        assert!(error_of("[link]\nport = 1\nhots = 2").contains("hots"));
        assert!(error_of("").contains("link"));
        assert!(load::<Config>(Path::new("/nowhere.toml"), "x").unwrap_err().to_string().contains("/nowhere.toml"));
    }
}
