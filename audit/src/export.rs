//! Exports: JSON Lines that cover a whole tree, and their verification.
//!
//! ```text
//! {"type":"checkpoint","note":"..."}                            first; signed
//! {"type":"record","index":17,"record":"{...}"}                 what the reader may see, exactly as hashed
//! {"type":"subtree","from":18,"level":1,"hash":"..."}           others' records: only the hash over 2^level of them
//! ```
//!
//! Each record says in `organization_index` which one of its organization it is, counted from 0 without
//! a gap: so whoever hides a record among the subtrees is found out too.

use crate::checkpoint::{Checkpoint, CheckpointError, Verifier};
use crate::merkle::{Edge, Hash, Misplaced, Subtree, leaf_hash};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The signed statement that the rest must add up to.
    Checkpoint {
        /// A signed note.
        note: String,
    },
    /// A record its reader may see.
    Record {
        /// Its place in the tree.
        index: u64,
        /// Its text, exactly as hashed.
        record: String,
    },
    /// Records of others.
    Subtree {
        /// Place of the first.
        from: u64,
        /// They are 2^level.
        level: u8,
        /// Hash over them, base64.
        hash: String,
    },
}

impl Line {
    /// The line of a perfect subtree that begins at leaf `from`.
    pub fn subtree(from: u64, subtree: Subtree) -> Self {
        Self::Subtree { from, level: subtree.level, hash: BASE64_STANDARD.encode(subtree.hash) }
    }
}

/// Why an export does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExportError {
    /// A line is not of an export.
    #[error("line {line} cannot be read: {why}")]
    Form {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The first line is no checkpoint, or a later one is.
    #[error("line {0}: an export begins with its one checkpoint")]
    Checkpoint(u64),
    /// The checkpoint is not believed.
    #[error(transparent)]
    Signed(#[from] CheckpointError),
    /// A place in the tree is not covered, or twice.
    #[error("record {expected} is missing: line {line} goes on with {found}")]
    Gap {
        /// Counted from 1.
        line: u64,
        /// The place that must come next.
        expected: u64,
        /// The place that came.
        found: u64,
    },
    /// A subtree cannot stand where it was put.
    #[error("line {line}: {why}")]
    Misplaced {
        /// Counted from 1.
        line: u64,
        /// Why.
        why: Misplaced,
    },
    /// The export ends before the tree does, or goes beyond it.
    #[error("the export has {found} records, the checkpoint states {stated}")]
    Size {
        /// Covered.
        found: u64,
        /// Signed.
        stated: u64,
    },
    /// Everything is there, but something was changed.
    #[error("the records do not add up to the signed root: at least one was changed, or slipped in for another")]
    Root,
    /// An organization's own numbering has a gap.
    #[error("of organization {organization}, record number {expected} is missing: record {index} says {found}")]
    Hidden {
        /// Whose.
        organization: String,
        /// The number that must come next.
        expected: u64,
        /// The number that came.
        found: u64,
        /// Where.
        index: u64,
    },
    /// The tree is not an extension of the earlier one.
    #[error("the log of {size} records has another root now than the earlier checkpoint signed: it was rewritten")]
    Rewritten {
        /// Leaves of the earlier tree.
        size: u64,
    },
    /// The earlier tree ends inside a subtree of this export.
    #[error("the export has no boundary at record {size}; export again with extends={size}")]
    NoBoundary {
        /// Leaves of the earlier tree.
        size: u64,
    },
    /// The earlier checkpoint is of a larger tree.
    #[error("the earlier checkpoint has {earlier} records, this one only {later}: records were cut off")]
    Shrunk {
        /// Leaves of the earlier tree.
        earlier: u64,
        /// Leaves of this one.
        later: u64,
    },
}

/// What a verified export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The statement it adds up to.
    pub checkpoint: Checkpoint,
    /// Records shown, by organization ("" for those of none).
    pub shown: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
struct Numbered {
    #[serde(default)]
    organization_id: Option<String>,
    #[serde(default)]
    organization_index: Option<u64>,
}

/// Verifies an export line by line, with little memory however long it is.
#[derive(Debug)]
pub struct Verification<'a> {
    verifier: &'a Verifier,
    earlier: Option<&'a Checkpoint>,
    stated: Option<Checkpoint>,
    edge: Edge,
    line: u64,
    earlier_met: bool,
    next_of: BTreeMap<String, u64>,
}

impl<'a> Verification<'a> {
    /// Against this key; `earlier`: a checkpoint (already believed) that the log must extend.
    pub fn new(verifier: &'a Verifier, earlier: Option<&'a Checkpoint>) -> Self {
        let (stated, edge, next_of) = (None, Edge::default(), BTreeMap::new());
        Self { verifier, earlier, stated, edge, line: 0, earlier_met: earlier.is_none(), next_of }
    }

    /// Takes the next line.
    pub fn line(&mut self, text: &str) -> Result<(), ExportError> {
        self.line += 1;
        let form = |why: String| ExportError::Form { line: self.line, why };
        let line: Line = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
        if self.stated.is_none() {
            let Line::Checkpoint { note } = line else { return Err(ExportError::Checkpoint(self.line)) };
            let stated = self.verifier.open(&note)?;
            if let Some(earlier) = self.earlier.filter(|earlier| earlier.size > stated.size) {
                return Err(ExportError::Shrunk { earlier: earlier.size, later: stated.size });
            }
            self.stated = Some(stated);
            return self.meet();
        }
        match line {
            Line::Checkpoint { .. } => return Err(ExportError::Checkpoint(self.line)),
            Line::Record { index, record } => {
                self.follows(index)?;
                self.count(index, &record)?;
                self.edge.push(leaf_hash(record.as_bytes()));
            }
            Line::Subtree { from, level, hash } => {
                let hash = BASE64_STANDARD.decode(hash).ok().and_then(|bytes| Hash::try_from(bytes).ok());
                let hash = hash.ok_or_else(|| form("hash is not a SHA-256 value in base64".to_owned()))?;
                self.follows(from)?;
                let line = self.line;
                self.edge
                    .push_subtree(Subtree { level, hash })
                    .map_err(|why| ExportError::Misplaced { line, why })?;
            }
        }
        self.meet()
    }

    fn follows(&self, found: u64) -> Result<(), ExportError> {
        let expected = self.edge.size();
        if found == expected { Ok(()) } else { Err(ExportError::Gap { line: self.line, expected, found }) }
    }

    /// The numbers of an organization's records have no gap.
    fn count(&mut self, index: u64, record: &str) -> Result<(), ExportError> {
        let numbered: Numbered = serde_json::from_str(record)
            .map_err(|error| ExportError::Form { line: self.line, why: format!("record {index}: {error}") })?;
        let organization = numbered.organization_id.unwrap_or_default();
        let found = numbered.organization_index.unwrap_or(u64::MAX);
        let next = self.next_of.entry(organization.clone()).or_default();
        let expected = *next;
        *next += 1;
        if found == expected { Ok(()) } else { Err(ExportError::Hidden { organization, expected, found, index }) }
    }

    /// Compares with the earlier tree where it ends.
    fn meet(&mut self) -> Result<(), ExportError> {
        let Some(earlier) = self.earlier.filter(|_| !self.earlier_met) else { return Ok(()) };
        match self.edge.size().cmp(&earlier.size) {
            std::cmp::Ordering::Less => Ok(()),
            std::cmp::Ordering::Equal if self.edge.root() == earlier.root => {
                self.earlier_met = true;
                Ok(())
            }
            std::cmp::Ordering::Equal => Err(ExportError::Rewritten { size: earlier.size }),
            std::cmp::Ordering::Greater => Err(ExportError::NoBoundary { size: earlier.size }),
        }
    }

    /// After the last line: everything is there and adds up.
    pub fn finish(self) -> Result<Verified, ExportError> {
        let checkpoint = self.stated.ok_or(ExportError::Checkpoint(1))?;
        let found = self.edge.size();
        if found != checkpoint.size {
            return Err(ExportError::Size { found, stated: checkpoint.size });
        }
        if self.edge.root() != checkpoint.root {
            return Err(ExportError::Root);
        }
        Ok(Verified { checkpoint, shown: self.next_of })
    }
}

#[cfg(test)]
mod tests;
