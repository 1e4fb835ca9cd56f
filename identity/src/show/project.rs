//! Projects.

use crate::show::Show;
use iroko_store::project::Project as Row;
use iroko_wire::project::*;
use iroko_wire::{label_map, status};

impl Show<Project> for Row {
    fn show(self) -> Project {
        let row = self;
        let labels = label_map(&row.labels);
        let Row {
            id, organization_id, organization_name, name, suspended_at, purging_at, generation, created_at, ..
        } = row;
        let status = status(suspended_at, purging_at);
        Project { id, organization_id, organization_name, name, status, labels, generation, created_at }
    }
}
