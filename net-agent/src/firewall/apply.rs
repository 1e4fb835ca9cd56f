//! Runs nft: writes transactions, reads the tables back.

use super::{FirewallError, VERSION, listing, text};
use crate::object::{Key, State, Value};
use crate::plan::Action;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const FAMILIES: [&str; 2] = ["bridge", "inet"];

/// The nft program, and where the tables' listing is kept.
#[derive(Debug, Clone)]
pub struct Nft {
    program: PathBuf,
    kept: PathBuf,
}

impl Nft {
    /// An nft whose listing is kept in `run_dir`.
    pub fn new(program: &Path, run_dir: &Path) -> Self {
        Self { program: program.to_owned(), kept: run_dir.join("firewall.listing") }
    }

    /// One transaction: all or nothing.
    pub async fn apply(&self, actions: &[Action]) -> Result<(), FirewallError> {
        self.run(&["-f", "-"], &text::transaction(actions)).await?;
        if actions.iter().any(|action| matches!(action, Action::Ensure(Key::Base, _))) {
            let now = self.skeleton(&self.list().await?)?;
            self.keep(&format!("{}\n{now}", *VERSION))?;
        }
        Ok(())
    }

    /// What there is of ours.
    pub async fn observe(&self) -> Result<State, FirewallError> {
        let listings = self.list().await?;
        if listings.iter().all(Option::is_none) {
            return Ok(State::new());
        }
        let mut state = State::new();
        for listing in listings.iter().flatten() {
            state.extend(listing::elements(listing)?);
        }
        let tampered = state.values().any(|value| matches!(value, Value::Wrong { .. }));
        let base = if tampered {
            Value::unusable("have an element that leads elsewhere")
        } else {
            self.base(&self.skeleton(&listings)?)
        };
        state.insert(Key::Base, base);
        Ok(state)
    }

    /// The tables are right where they list as they did when they were written.
    fn base(&self, skeleton: &str) -> Value {
        let kept = std::fs::read_to_string(&self.kept).unwrap_or_default();
        match kept.split_once('\n') {
            Some((version, kept)) if kept == skeleton => Value::Base(version.to_owned()),
            _ => Value::unusable("differ from what was written"),
        }
    }

    fn skeleton(&self, listings: &[Option<String>]) -> Result<String, FirewallError> {
        let parts: Result<Vec<_>, _> = listings.iter().flatten().map(|listing| listing::skeleton(listing)).collect();
        Ok(parts?.join("\n"))
    }

    fn keep(&self, text: &str) -> Result<(), FirewallError> {
        let failed = |source| FirewallError::Keep { path: self.kept.clone(), source };
        if let Some(dir) = self.kept.parent() {
            std::fs::create_dir_all(dir).map_err(failed)?;
        }
        let new = self.kept.with_extension("new");
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.kept)).map_err(failed)
    }

    /// Both tables as JSON; none where a table is not there.
    async fn list(&self) -> Result<Vec<Option<String>>, FirewallError> {
        let mut listings = Vec::new();
        for family in FAMILIES {
            match self.run(&["-j", "list", "table", family, "ik"], "").await {
                Ok(listing) => listings.push(Some(listing)),
                Err(FirewallError::Refused(why)) if why.contains("No such file or directory") => listings.push(None),
                Err(error) => return Err(error),
            }
        }
        Ok(listings)
    }

    async fn run(&self, args: &[&str], input: &str) -> Result<String, FirewallError> {
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(FirewallError::Run)?;
        if let Some(mut stdin) = child.stdin.take() {
            // nft reads all of its input before it says anything.
            stdin.write_all(input.as_bytes()).await.map_err(FirewallError::Run)?;
        }
        let output = child.wait_with_output().await.map_err(FirewallError::Run)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(FirewallError::Refused(complaint.lines().take(3).collect::<Vec<_>>().join(" ")))
    }
}
