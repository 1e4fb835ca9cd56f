//! `iroko-audit`: verifies exports of the audit log, offline.

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use iroko_audit::checkpoint::{Checkpoint, Verifier};
use iroko_audit::export::{Line, Verification};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(version, about = "Verifies exports of Iroko's audit log, without network and without trust in who gave them")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows that an export is complete and unchanged, and that it extends an earlier one.
    Verify {
        /// The export (JSON Lines).
        export: PathBuf,
        /// Verifier key of the log, NAME+HASH+KEY. Keep it where the operator cannot change it.
        #[arg(long, env = "IROKO_AUDIT_KEY")]
        key: String,
        /// An earlier export, or the text of an earlier checkpoint.
        #[arg(long)]
        earlier: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let Verb::Verify { export, key, earlier } = Args::parse().verb;
    match verify(&export, &key, earlier.as_deref()) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("NOT VERIFIED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn verify(export: &Path, key: &str, earlier: Option<&Path>) -> Result<String> {
    let verifier = Verifier::new(key)?;
    let earlier = earlier.map(|path| earlier_checkpoint(&verifier, path)).transpose()?;
    let mut verification = Verification::new(&verifier, earlier.as_ref());
    let file = File::open(export).with_context(|| format!("opening {}", export.display()))?;
    for line in BufReader::new(file).lines() {
        verification.line(&line.with_context(|| format!("reading {}", export.display()))?)?;
    }
    let verified = verification.finish()?;
    let shown: u64 = verified.shown.values().sum();
    let checkpoint = verified.checkpoint;
    let mut told = format!(
        "VERIFIED: {shown} of {} records shown, complete and unchanged, as signed by {} at {}",
        checkpoint.size, checkpoint.origin, checkpoint.time
    );
    if let Some(earlier) = earlier {
        told.push_str(&format!("\nextends the log of {} records signed at {}", earlier.size, earlier.time));
    }
    Ok(told)
}

/// Of an export its first line, else the whole file.
fn earlier_checkpoint(verifier: &Verifier, path: &Path) -> Result<Checkpoint> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let note = match serde_json::from_str(text.lines().next().unwrap_or_default()) {
        Ok(Line::Checkpoint { note }) => note,
        Ok(_) => bail!("{} does not begin with a checkpoint", path.display()),
        Err(_) => text,
    };
    verifier.open(&note).with_context(|| format!("the checkpoint in {}", path.display()))
}
