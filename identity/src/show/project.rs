//! Projects.

use crate::show::Show;
use iroko_store::project::Project as Row;
use iroko_wire::project::*;
use iroko_wire::{label_map, status};

impl Show<Project> for Row {
    fn show(self) -> Project {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, organization_id, name, suspended_at, purging_at, generation, created_at, .. } = row;
        Project { id, organization_id, name, status: status(suspended_at, purging_at), labels, generation, created_at }
    }
}
