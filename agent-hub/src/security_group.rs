//! Security groups, for hosts with a port in them; and what follows from groups: which host needs which group, which
//! members, which address set.

use crate::batch::{Batch, Entry, Scope};
use crate::kind::{Kind, Objects};
use async_trait::async_trait;
use iroko_agent_wire::{Change, Need, Object, SecurityGroupSpec};
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired::{self, HostNeed};
use iroko_store::{Result, Store, Tx};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub struct SecurityGroups;

#[async_trait]
impl Kind for SecurityGroups {
    async fn entries(&self, conn: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        let ids = batch.ids(ChangeKind::SecurityGroup);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let specs = desired::security_group_specs(conn, &ids).await?;
        let now: HashMap<Uuid, Arc<SecurityGroupSpec>> =
            specs.into_iter().map(|spec| (spec.id.as_uuid(), spec)).collect();
        // No host needs one that was deleted.
        let entry = |(at, row): (usize, &Row)| {
            let spec = now.get(&row.object_id)?.clone();
            Some(Entry::change(at, Scope::Need(need(row)), Change::Set(Object::SecurityGroup(spec))))
        };
        Ok(batch.of_kind(ChangeKind::SecurityGroup).filter_map(entry).collect())
    }

    fn may_change_needs(&self, row: &Row) -> Option<Scope> {
        let refers = row.kind == ChangeKind::SecurityGroup && !row.refs.is_empty();
        refers.then(|| Scope::Need(need(row)))
    }

    async fn needs(&self, conn: &mut Tx, hosts: &[Uuid], from: i64) -> Result<Vec<HostNeed>> {
        desired::needs(conn, hosts, &[], from).await
    }

    fn answers(&self, need: Need) -> bool {
        matches!(need, Need::SecurityGroup(_))
    }

    async fn objects(&self, store: &Store, needs: &[Need]) -> Result<Objects> {
        let id = |need: &Need| if let Need::SecurityGroup(id) = need { Some(id.as_uuid()) } else { None };
        let ids: Vec<Uuid> = needs.iter().filter_map(id).collect();
        let specs = desired::security_group_specs(&mut *store.begin_planned().await?, &ids).await?;
        Ok(specs.into_iter().map(|spec| (Need::SecurityGroup(spec.id), vec![Object::SecurityGroup(spec)])).collect())
    }
}

fn need(row: &Row) -> Need {
    Need::SecurityGroup(row.object_id.into())
}
