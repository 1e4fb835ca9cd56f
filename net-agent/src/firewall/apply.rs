//! Runs nft: writes transactions, reads the tables back.

use super::kept::{Kept, KeptChain};
use super::listing::{self, Listing};
use super::{FirewallError, VERSION, text};
use crate::object::{Chain, Key, State, Value};
use crate::plan::Action;
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const FAMILIES: [&str; 2] = ["bridge", "inet"];
/// Up to this many chains are listed one by one after a change; the whole table is quicker for more.
const CHAINS_ONE_BY_ONE: usize = 8;

/// The nft program, and where the tables' listing is kept.
#[derive(Debug)]
pub struct Nft {
    program: PathBuf,
    path: PathBuf,
    kept: Mutex<Option<Kept>>,
}

impl Nft {
    /// An nft whose listing is kept in `run_dir`.
    pub fn new(program: &Path, run_dir: &Path) -> Self {
        Self { program: program.to_owned(), path: run_dir.join("firewall.json"), kept: Mutex::new(None) }
    }

    /// One transaction: all or nothing.
    pub async fn apply(&self, actions: &[Action]) -> Result<(), FirewallError> {
        self.run(&["-f", "-"], &text::transaction(actions)).await?;
        let is_base = actions.iter().any(|action| matches!(action, Action::Ensure(Key::Base, _)));
        let written: BTreeMap<&Chain, &String> = actions.iter().filter_map(written).collect();
        let gone: Vec<String> = actions.iter().filter_map(removed).map(ToString::to_string).collect();
        if !is_base && written.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let listings = if is_base || written.len() > CHAINS_ONE_BY_ONE {
            self.list().await?
        } else {
            self.list_chains(written.keys().copied()).await?
        };
        self.update(|kept| {
            if is_base {
                *kept = Kept { version: VERSION.clone(), skeleton: skeleton(&listings), ..Kept::default() };
            }
            gone.iter().for_each(|chain| drop(kept.chains.remove(chain)));
            for (chain, listed) in listings.iter().flat_map(|listing| &listing.chains) {
                if let Some(rules) = written.get(chain) {
                    let now = KeptChain { rules: (*rules).clone(), listed: *listed };
                    kept.chains.insert(chain.to_string(), now);
                }
            }
        })
    }

    /// What there is of ours.
    pub async fn observe(&self) -> Result<State, FirewallError> {
        let listings = self.list().await?;
        if listings.is_empty() {
            return Ok(State::new());
        }
        let kept = self.kept();
        let mut state = State::new();
        state.insert(Key::Base, base(&kept, &skeleton(&listings)));
        for listing in listings {
            state.extend(listing.state);
            state.extend(listing.chains.into_iter().map(|(chain, listed)| {
                let rules = kept.rules(&chain, listed).map(|rules| Value::Text(rules.to_owned()));
                (Key::Chain(chain), rules.unwrap_or_else(|| Value::wrong("differs from what was written")))
            }));
        }
        Ok(state)
    }

    fn kept(&self) -> Kept {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_with(|| Kept::load(&self.path)).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Kept)) -> Result<(), FirewallError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_with(|| Kept::load(&self.path));
        change(kept);
        kept.save(&self.path)
    }

    async fn list_chains(&self, chains: impl Iterator<Item = &Chain>) -> Result<Vec<Listing>, FirewallError> {
        let mut listings = Vec::new();
        for chain in chains {
            let listing = self.run(&["-j", "list", "chain", chain.family(), "ik", &chain.to_string()], "").await?;
            listings.push(listing::read(&listing)?);
        }
        Ok(listings)
    }

    /// The tables that are there.
    async fn list(&self) -> Result<Vec<Listing>, FirewallError> {
        let listings = try_join_all(FAMILIES.map(|family| self.list_table(family))).await?;
        Ok(listings.into_iter().flatten().collect())
    }

    /// None where the table is not there.
    async fn list_table(&self, family: &str) -> Result<Option<Listing>, FirewallError> {
        match self.run(&["-j", "list", "table", family, "ik"], "").await {
            Ok(listing) => listing::read(&listing).map(Some),
            Err(FirewallError::Refused(why)) if why.contains("No such file or directory") => Ok(None),
            Err(error) => Err(error),
        }
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

fn written(action: &Action) -> Option<(&Chain, &String)> {
    match action {
        Action::Ensure(Key::Chain(chain), Value::Text(rules)) => Some((chain, rules)),
        _ => None,
    }
}

fn removed(action: &Action) -> Option<&Chain> {
    if let Action::Remove(Key::Chain(chain), _) = action { Some(chain) } else { None }
}

fn skeleton(listings: &[Listing]) -> String {
    let parts: Vec<&str> = listings.iter().map(|listing| listing.skeleton.as_str()).collect();
    parts.join("\n")
}

/// The tables are right where they list as they did when they were written.
fn base(kept: &Kept, skeleton: &str) -> Value {
    if kept.skeleton == skeleton {
        Value::Base(kept.version.clone())
    } else {
        Value::unusable("differ from what was written")
    }
}
