//! Address sets, for hosts with a rule that refers to them.

use crate::batch::{Batch, Entry, Scope};
use crate::kind::{Kind, Objects};
use async_trait::async_trait;
use iroko_agent_wire::{AddressSetSpec, Change, Need, Object};
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired;
use iroko_store::{Result, Store, Tx};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub struct AddressSets;

#[async_trait]
impl Kind for AddressSets {
    async fn entries(&self, conn: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        let ids = batch.ids(ChangeKind::AddressSet);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let specs = desired::address_set_specs(conn, &ids).await?;
        let now: HashMap<Uuid, Arc<AddressSetSpec>> = specs.into_iter().map(|spec| (spec.id.as_uuid(), spec)).collect();
        let entry = |(at, row): (usize, &Row)| {
            let spec = now.get(&row.object_id)?.clone();
            let scope = Scope::Need(Need::AddressSet(row.object_id.into()));
            Some(Entry::change(at, scope, Change::Set(Object::AddressSet(spec))))
        };
        Ok(batch.of_kind(ChangeKind::AddressSet).filter_map(entry).collect())
    }

    fn answers(&self, need: Need) -> bool {
        matches!(need, Need::AddressSet(_))
    }

    async fn objects(&self, store: &Store, needs: &[Need]) -> Result<Objects> {
        let id = |need: &Need| if let Need::AddressSet(id) = need { Some(id.as_uuid()) } else { None };
        let ids: Vec<Uuid> = needs.iter().filter_map(id).collect();
        let specs = desired::address_set_specs(&mut *store.begin_planned().await?, &ids).await?;
        Ok(specs.into_iter().map(|spec| (Need::AddressSet(spec.id), vec![Object::AddressSet(spec)])).collect())
    }
}
