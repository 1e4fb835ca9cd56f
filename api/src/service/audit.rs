//! The audit log: sealing it, and showing it.
//!
//! One API process at a time gives new records their place in the Merkle tree. It remembers, outside of
//! the database, where the tree stood when it last looked, and goes on only from a tree that extends that
//! one: whoever rewrites the database finds the sealer standing still and crying.

use crate::App;
use crate::show::audit::AuditQuery;
use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use futures::Stream;
use iroko_audit::checkpoint::Signer;
use iroko_audit::export::Line;
use iroko_audit::merkle::{Edge, Hash, Run, leaf_hash};
use iroko_store::audit::{self, Audited, Leaf, Tree};
use iroko_web::problem::{Problem, Result};
use iroko_wire::List;
use iroko_wire::audit::{AuditCheckpoint, AuditRecord};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

/// Records sealed in one transaction.
const SEAL_BATCH: i64 = 1000;
/// Records read at a time.
const READ_BATCH: i64 = 1000;
/// Next look where nothing waited, or after a failure.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// The log's key, and where the tree was last seen.
#[derive(Debug)]
pub struct AuditLog {
    signer: Signer,
    seen_at: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    size: u64,
    edge: Vec<Hash>,
}

impl AuditLog {
    /// Reads the key of `state_dir`, or makes it.
    pub fn load(state_dir: &Path, name: &str) -> anyhow::Result<Self> {
        let path = state_dir.join("audit-signing.key");
        let make = || -> anyhow::Result<String> {
            let pkcs8 = Signer::generate().map_err(|_| anyhow::anyhow!("no randomness for the audit log's key"))?;
            Ok(iroko_web::hex(&pkcs8))
        };
        let text = iroko_daemon::private::read_or_make(&path, make, |error| {
            anyhow::Error::new(error).context(format!("the audit log's key {}", path.display()))
        })?;
        let text = text.trim();
        let byte = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let key: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        let unusable = || format!("the audit log's key {} is unusable", path.display());
        let signer = Signer::new(name, &key.with_context(unusable)?).ok().with_context(unusable)?;
        Ok(Self { signer, seen_at: state_dir.join("audit-seen.json") })
    }

    fn seen(&self) -> anyhow::Result<Edge> {
        let seen: Seen = match std::fs::read_to_string(&self.seen_at) {
            Ok(text) => serde_json::from_str(&text).context("audit-seen.json of state_dir cannot be read")?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Seen::default(),
            Err(error) => return Err(error).context("audit-seen.json of state_dir"),
        };
        Edge::from_hashes(seen.size, &seen.edge).context("audit-seen.json of state_dir does not fit together")
    }

    fn see(&self, edge: &Edge) -> anyhow::Result<()> {
        let text = serde_json::to_string(&Seen { size: edge.size(), edge: edge.hashes() })?;
        let new = self.seen_at.with_extension("new");
        iroko_daemon::private::write(&new, text.as_bytes())
            .and_then(|()| std::fs::rename(&new, &self.seen_at))
            .context("writing audit-seen.json")
    }
}

fn edge_of(tree: &Tree) -> anyhow::Result<Edge> {
    let hashes: Option<Vec<Hash>> = tree.edge.iter().map(|hash| Hash::try_from(hash.as_slice()).ok()).collect();
    hashes.and_then(|hashes| Edge::from_hashes(tree.size, &hashes)).context("the audit tree in the database is broken")
}

/// Starts the sealer.
pub fn spawn(app: App, shutdown: CancellationToken) {
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        loop {
            match seal(&app).await {
                Ok(more) if more => continue,
                Ok(_) => {}
                Err(error) => {
                    metrics::counter!("iroko_audit_seal_failures_total").increment(1);
                    tracing::error!(error = format!("{error:#}"), "the audit log could not be sealed");
                }
            }
            tokio::time::sleep(SEAL_EVERY).await;
        }
    }));
}

/// Gives what waits its place. True where there may be more.
pub async fn seal(app: &App) -> anyhow::Result<bool> {
    let mut tx = app.store.begin().await?;
    let Some((tree, records)) = audit::audit_seal_begin(&mut tx, SEAL_BATCH).await? else { return Ok(false) };
    let mut edge = edge_of(&tree)?;
    let seen = app.audit.seen()?;
    if seen != edge {
        extends(app, &seen, &edge).await?;
        app.audit.see(&edge)?;
    }
    if records.is_empty() {
        return Ok(false);
    }
    let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(record.record.as_bytes())).collect();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    let leaves: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.to_vec()).collect();
    let hashes: Vec<Vec<u8>> = edge.hashes().iter().map(|hash| hash.to_vec()).collect();
    audit::audit_seal_finish(&mut tx, &records, &leaves, &hashes).await?;
    app.store.commit_aside(tx).await?;
    app.audit.see(&edge)?;
    Ok(i64::try_from(records.len()) == Ok(SEAL_BATCH))
}

/// The tree in the database goes on from the one that was last seen (by another process's sealing).
async fn extends(app: &App, seen: &Edge, now: &Edge) -> anyhow::Result<()> {
    ensure!(now.size() >= seen.size(), "the audit log had {} records and has {} now", seen.size(), now.size());
    let mut edge = seen.clone();
    let mut conn = app.store.connection().await?;
    while edge.size() < now.size() {
        let from = edge.size();
        for leaf in audit::audit_leaves(&mut conn, Audited::System, from, now.size(), READ_BATCH).await? {
            ensure!(leaf.index == edge.size(), "audit record {} is missing from the database", edge.size());
            edge.push(Hash::try_from(leaf.hash.as_slice()).ok().context("a leaf's hash is not one")?);
        }
        if edge.size() == from {
            bail!("audit record {from} is missing from the database");
        }
    }
    ensure!(
        edge == *now,
        "the audit log was rewritten behind our back: it no longer extends its first {} records",
        seen.size()
    );
    Ok(())
}

/// The signed statement of the tree as it is.
pub async fn checkpoint(app: &App) -> Result<AuditCheckpoint> {
    let (note, size) = sign(app).await?;
    Ok(AuditCheckpoint { size, checkpoint: note, verifier_key: app.audit.signer.verifier_key() })
}

async fn sign(app: &App) -> Result<(String, u64)> {
    let mut conn = app.store.connection().await?;
    let tree = audit::audit_tree(&mut conn).await?;
    let edge = edge_of(&tree).map_err(|error| Problem::internal(error.as_ref()))?;
    let time = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let time = time.format(&Rfc3339).map_err(|error| Problem::internal(&error))?;
    Ok((app.audit.signer.sign(edge.size(), &edge.root(), &time), edge.size()))
}

/// A page of records.
pub async fn list(app: &App, whose: Audited, query: AuditQuery) -> Result<List<AuditRecord>> {
    let mut tx = match whose {
        Audited::System => app.store.begin().await?,
        Audited::Organization(id) => app.store.begin_bound(id).await?,
        Audited::Project(id) => app.store.begin_bound(id).await?,
    };
    let page = audit::audit_list(&mut tx, whose, query.page, &query.filter).await?;
    Ok(iroko_web::list(page, crate::show::audit::of))
}

/// The whole log as JSON Lines: what the reader may see as text, the rest as hashes. `boundary`: size of
/// an earlier log that this one is to be compared with.
pub async fn export(
    app: &App,
    whose: Audited,
    boundary: u64,
) -> Result<impl Stream<Item = iroko_store::Result<Bytes>> + Send + use<>> {
    let (note, size) = sign(app).await?;
    let mut ready = VecDeque::new();
    push(&mut ready, &Line::Checkpoint { note });
    let export =
        Export { app: app.clone(), whose, boundary, size, next: 0, due: 0, run: Run::new(0), ready, is_over: false };
    Ok(futures::stream::try_unfold(export, Export::next))
}

struct Export {
    app: App,
    whose: Audited,
    boundary: u64,
    size: u64,
    next: u64,
    due: u64,
    run: Run,
    ready: VecDeque<u8>,
    is_over: bool,
}

fn push(ready: &mut VecDeque<u8>, line: &Line) {
    // Numbers and texts always have a form.
    ready.extend(serde_json::to_vec(line).unwrap_or_default());
    ready.push_back(b'\n');
}

impl Export {
    async fn next(mut self) -> iroko_store::Result<Option<(Bytes, Self)>> {
        loop {
            if !self.ready.is_empty() {
                let bytes: Vec<u8> = std::mem::take(&mut self.ready).into();
                return Ok(Some((bytes.into(), self)));
            }
            if self.is_over {
                return Ok(None);
            }
            let mut conn = self.app.store.connection().await?;
            let leaves = audit::audit_leaves(&mut conn, self.whose, self.next, self.size, READ_BATCH).await?;
            drop(conn);
            // A record that is missing shows as a gap: it is not for this side to hide it.
            match leaves.last() {
                Some(last) => self.next = last.index + 1,
                None => self.is_over = true,
            }
            for leaf in leaves {
                self.leaf(leaf);
            }
            if self.is_over {
                self.cut(self.size);
            }
        }
    }

    fn leaf(&mut self, leaf: Leaf) {
        // After a record that is missing the hashes begin anew where they belong, and leave the gap.
        if leaf.record.is_some() || leaf.index == self.boundary || leaf.index != self.due {
            self.cut(leaf.index);
        }
        self.due = leaf.index + 1;
        match leaf.record {
            Some(record) => {
                push(&mut self.ready, &Line::Record { index: leaf.index, record });
                self.run = Run::new(leaf.index + 1);
            }
            None => self.run.push(Hash::try_from(leaf.hash.as_slice()).unwrap_or_default()),
        }
    }

    /// Ends the run of hashes; the next begins at `at`.
    fn cut(&mut self, at: u64) {
        for (from, subtree) in std::mem::replace(&mut self.run, Run::new(at)).finish() {
            push(&mut self.ready, &Line::subtree(from, subtree));
        }
    }
}
