//! Members of security groups, for hosts with a rule that refers to their group, by network.

use crate::batch::{Batch, Entry, Scope};
use crate::kind::{Kind, Objects};
use async_trait::async_trait;
use iroko_agent_wire::{Change, Need, Object, ObjectKey};
use iroko_model::{NetworkId, SecurityGroupId};
use iroko_store::change::{Change as Row, ChangeKind};
use iroko_store::desired;
use iroko_store::{Result, Store, Tx};
use std::collections::HashSet;

/// See the module.
#[derive(Debug)]
pub struct Members;

#[async_trait]
impl Kind for Members {
    async fn entries(&self, _: &mut Tx, batch: &Batch<'_>) -> Result<Vec<Entry>> {
        Ok(batch.of_kind(ChangeKind::Port).flat_map(|(at, row)| of_port(at, row, batch)).collect())
    }

    fn answers(&self, need: Need) -> bool {
        matches!(need, Need::Members(..))
    }

    async fn objects(&self, store: &Store, needs: &[Need]) -> Result<Objects> {
        let of = |need: &Need| if let Need::Members(group, network) = need { Some((*group, *network)) } else { None };
        let of: Vec<_> = needs.iter().filter_map(of).collect();
        let mut objects = Objects::new();
        for spec in desired::member_specs(&mut *store.begin_planned().await?, &of).await? {
            let need = Need::Members(spec.group_id, spec.network_id);
            objects.entry(need).or_default().push(Object::Member(spec));
        }
        Ok(objects)
    }
}

/// A port is, or is no longer, a member of groups: of those it was in when the change was written, and of
/// those it is in now.
fn of_port(at: usize, row: &Row, batch: &Batch<'_>) -> Vec<Entry> {
    let bound = batch.port(row);
    let network = row.network_id.map(NetworkId::from).or_else(|| bound.map(|bound| bound.port.network_id));
    let Some(network) = network else { return Vec::new() };
    let now = bound.into_iter().flat_map(|bound| bound.groups()).copied();
    let groups: HashSet<SecurityGroupId> = row.refs.iter().map(|id| (*id).into()).chain(now).collect();
    let entry = |group: SecurityGroupId| {
        let change = match bound.and_then(|bound| bound.member(group)) {
            Some(member) => Change::Set(Object::Member(member)),
            None => Change::Gone(ObjectKey::Member(group, row.object_id.into())),
        };
        Entry::change(at, Scope::Need(Need::Members(group, network)), change)
    };
    groups.into_iter().map(entry).collect()
}
