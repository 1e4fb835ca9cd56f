//! Instances of the whole cloud, for operators.

use crate::show::{Show, told};
use iroko_identity::noun::common;
use iroko_store::cloud_instance::CloudInstance as Row;
use iroko_wire::cloud_instance::CloudInstance;

impl Show<CloudInstance> for Row {
    fn show(self) -> CloudInstance {
        let (status_code, status_reason) = told(self.status_reason());
        let row = self;
        CloudInstance {
            status_code,
            status_reason,
            common: common(row.common),
            organization_id: row.organization_id,
            organization_name: row.organization_name,
            project_id: row.project_id,
            project_name: row.project_name,
            status: row.status,
            power: row.power,
            host_id: row.host_id,
            host_name: row.host_name,
            placed_at: row.placed_at,
            flavor_id: row.flavor_id,
            vcpus: row.vcpus,
            memory_mib: row.memory_mib,
            disk_gib: row.disk_gib,
            architecture: row.architecture,
            observed_generation: row.observed_generation,
        }
    }
}
