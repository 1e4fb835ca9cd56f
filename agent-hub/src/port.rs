//! Ports, for the net-agents of their hosts.

use crate::batch::{Batch, Entry, Scope};
use crate::kind::Kind;
use async_trait::async_trait;
use iroko_agent_wire::{Change, Object, ObjectKey};
use iroko_model::HostId;
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired::{self, Ports as Which};
use iroko_store::{Result, Tx};

/// See the module.
#[derive(Debug)]
pub struct Ports;

#[async_trait]
impl Kind for Ports {
    async fn entries(&self, _: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        let ports = batch.of_kind(ChangeKind::Port).filter_map(|(at, row)| port(at, row, batch));
        let limits = batch.of_kind(ChangeKind::PortLimits).filter_map(|(at, row)| limits(at, row, batch));
        Ok(ports.chain(limits).collect())
    }

    async fn roots(&self, conn: &mut Tx, host: HostId) -> Result<Vec<Object>> {
        let ids = desired::ports_of_host(conn, host).await?;
        let bound = desired::bound_ports(conn, Which::Ids(&ids)).await?;
        Ok(bound.into_iter().map(|bound| Object::Port(bound.port)).collect())
    }

    fn may_change_needs(&self, row: &Row) -> Option<Scope> {
        let host = row.host_id.filter(|_| row.kind == ChangeKind::Port)?;
        Some(Scope::Host(host.into()))
    }
}

fn port(at: usize, row: &Row, batch: &Batch<'_>) -> Option<Entry> {
    let host = HostId::from(row.host_id?);
    let change = match batch.port(row).filter(|bound| bound.host_id == host) {
        Some(bound) => Change::Set(Object::Port(bound.port.clone())),
        None => Change::Gone(ObjectKey::Port(row.object_id.into())),
    };
    Some(Entry::change(at, Scope::Host(host), change))
}

/// A port that is not there any more has a change of its own that says so.
fn limits(at: usize, row: &Row, batch: &Batch<'_>) -> Option<Entry> {
    let host = HostId::from(row.host_id?);
    let bound = batch.port(row).filter(|bound| bound.host_id == host)?;
    Some(Entry::change(at, Scope::Host(host), Change::Set(Object::Port(bound.port.clone()))))
}
