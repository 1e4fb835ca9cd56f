//! A batch of the outbox, and what one of its changes means to whom.

use iroko_agent_wire::{Change, Need};
use iroko_model::{HostId, InstanceId};
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired::{self, BoundPort, Ports};
use iroko_store::{Result, Tx};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// Whom something concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One host.
    Host(HostId),
    /// All hosts that need it.
    Need(Need),
}

/// What somebody is to hear.
#[derive(Debug, Clone)]
pub enum Notice {
    /// An object changed.
    Change(Change),
    /// The host starts to need it: all of it is to be sent.
    Begin(Need),
    /// The instance's console log is wanted.
    Console(InstanceId),
}

/// What a change of the outbox means to whom.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row of the batch.
    pub at: usize,
    /// Whom it concerns.
    pub scope: Scope,
    /// What it says.
    pub notice: Notice,
}

impl Entry {
    /// That an object changed.
    pub const fn change(at: usize, scope: Scope, change: Change) -> Self {
        Self { at, scope, notice: Notice::Change(change) }
    }
}

/// Changes in order, and the ports that they name as they are now: several kinds tell of these.
#[derive(Debug)]
pub struct Batch<'a> {
    rows: &'a [Row],
    ports: HashMap<Uuid, BoundPort>,
}

impl<'a> Batch<'a> {
    /// Reads the ports.
    pub async fn of(conn: &mut Tx, rows: &'a [Row]) -> Result<Self> {
        let mut batch = Self { rows, ports: HashMap::new() };
        let ids: HashSet<Uuid> =
            [ChangeKind::Port, ChangeKind::PortLimits].into_iter().flat_map(|kind| batch.ids(kind)).collect();
        if !ids.is_empty() {
            let ids: Vec<Uuid> = ids.into_iter().collect();
            let bound = desired::bound_ports(conn, Ports::Ids(&ids)).await?;
            batch.ports = bound.into_iter().map(|bound| (bound.port.id.as_uuid(), bound)).collect();
        }
        Ok(batch)
    }

    /// The same from ports that are known, for tests.
    #[cfg(test)]
    pub const fn with(rows: &'a [Row], ports: HashMap<Uuid, BoundPort>) -> Self {
        Self { rows, ports }
    }

    /// All changes.
    pub const fn rows(&self) -> &'a [Row] {
        self.rows
    }

    /// The changes of one kind, with their places.
    pub fn of_kind(&self, kind: ChangeKind) -> impl Iterator<Item = (usize, &'a Row)> + use<'a> {
        self.rows.iter().enumerate().filter(move |(_, row)| row.kind == kind)
    }

    /// The objects that changes of one kind name, each once.
    pub fn ids(&self, kind: ChangeKind) -> Vec<Uuid> {
        let ids: HashSet<Uuid> = self.of_kind(kind).map(|(_, row)| row.object_id).collect();
        ids.into_iter().collect()
    }

    /// The port that a change names, where it is on a host now.
    pub fn port(&self, row: &Row) -> Option<&BoundPort> {
        self.ports.get(&row.object_id)
    }
}
