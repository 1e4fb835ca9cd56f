//! Orphans, for operators: what hosts have that the database does not know.

use crate::show::Show;
use iroko_agent_wire::InstanceSpec;
use iroko_store::orphan::Orphan as Row;
use iroko_wire::orphan::*;

impl Show<Orphan> for Row {
    fn show(self) -> Orphan {
        let row = self;
        let spec = spec(&row);
        let nics = || spec.iter().flat_map(|spec| &spec.nics);
        let addresses = nics().flat_map(|nic| &nic.addresses).map(|held| held.address.ip().to_string()).collect();
        let networks = nics().map(|nic| nic.network_id.as_uuid()).chain(row.network_id).collect();
        Orphan {
            ip_addresses: addresses,
            network_ids: networks,
            hostname: spec.as_ref().map(|spec| spec.hostname.as_str().to_owned()),
            vcpus: spec.as_ref().map(|spec| spec.resources.vcpus),
            memory_mib: spec.as_ref().map(|spec| spec.resources.memory_mib),
            disk_gib: spec.as_ref().map(|spec| spec.resources.disk_gib),
            host_id: row.host_id,
            host_name: row.host_name,
            kind: row.kind,
            id: row.object_id,
            instance_id: row.instance_id,
            running: row.is_running,
            first_seen_at: row.first_seen_at,
            seen_at: row.seen_at,
        }
    }
}

/// What its host last knew to be desired of an orphan.
pub fn spec(row: &Row) -> Option<InstanceSpec> {
    serde_json::from_value(row.spec.clone()?).ok()
}
