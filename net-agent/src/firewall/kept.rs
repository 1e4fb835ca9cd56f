//! What nft listed just after we wrote it, kept in a file so that the next agent can compare too.

use super::FirewallError;
use crate::object::Chain;
use iroko_daemon::private;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The tables count as right while they list like this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Version of the tables' text.
    pub version: String,
    /// How they listed.
    pub skeleton: String,
    /// By name, the chains that come and go.
    pub chains: BTreeMap<String, KeptChain>,
}

/// A chain as it was written and as it listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptChain {
    /// Its rules as written.
    pub rules: String,
    /// The hash of what was listed.
    pub listed: u64,
}

impl Kept {
    /// What an agent before kept; nothing where the file is missing or not whole.
    pub fn load(path: &Path) -> Self {
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Replaces the file.
    pub fn save(&self, path: &Path) -> Result<(), FirewallError> {
        let failed = |source| FirewallError::Keep { path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            private::passage(dir).map_err(failed)?;
        }
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        let new = path.with_extension("new");
        private::write(&new, &text).and_then(|()| std::fs::rename(&new, path)).map_err(failed)
    }

    /// The rules that a chain which lists like this was written with.
    pub fn rules(&self, chain: &Chain, listed: u64) -> Option<&str> {
        self.chains.get(&chain.to_string()).filter(|kept| kept.listed == listed).map(|kept| kept.rules.as_str())
    }
}
