//! Instances, and their consoles, for the compute-agents of their hosts.

use crate::batch::{Batch, Entry, Notice, Scope};
use crate::kind::Kind;
use async_trait::async_trait;
use iroko_agent_wire::{AgentKind, Change, InstanceSpec, Object, ObjectKey};
use iroko_model::HostId;
use iroko_store::change::ChangeKind;
use iroko_store::desired::{self, Instances as Which};
use iroko_store::{Result, Tx};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub struct Instances;

#[async_trait]
impl Kind for Instances {
    fn agent(&self) -> AgentKind {
        AgentKind::Compute
    }

    async fn entries(&self, conn: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        let mut entries = consoles(batch);
        let ids = batch.ids(ChangeKind::Instance);
        if ids.is_empty() {
            return Ok(entries);
        }
        let specs = desired::instance_specs(conn, Which::Ids(&ids)).await?;
        let now: HashMap<Uuid, (HostId, Arc<InstanceSpec>)> =
            specs.into_iter().map(|(host, spec)| (spec.id.as_uuid(), (host, spec))).collect();
        for (at, row) in batch.of_kind(ChangeKind::Instance) {
            let Some(host) = row.host_id.map(HostId::from) else { continue };
            let here = now.get(&row.object_id).filter(|(on, _)| *on == host);
            let change = match here {
                Some((_, spec)) => Change::Set(Object::Instance(spec.clone())),
                None => Change::Gone(ObjectKey::Instance(row.object_id.into())),
            };
            entries.push(Entry::change(at, Scope::Host(host), change));
        }
        Ok(entries)
    }

    async fn roots(&self, conn: &mut Tx, host: HostId) -> Result<Vec<Object>> {
        let specs = desired::instance_specs(conn, Which::OfHost(host)).await?;
        Ok(specs.into_iter().map(|(_, spec)| Object::Instance(spec)).collect())
    }
}

fn consoles(batch: &Batch<'_>) -> Vec<Entry> {
    let entry = |(at, row): (usize, &iroko_store::change::Change)| {
        let scope = Scope::Host(row.host_id?.into());
        Some(Entry { at, scope, notice: Notice::Console(row.object_id.into()) })
    };
    batch.of_kind(ChangeKind::Console).filter_map(entry).collect()
}
