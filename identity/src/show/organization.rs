//! Organizations.

use crate::show::Show;
use iroko_store::organization::Organization as Row;
use iroko_wire::organization::*;
use iroko_wire::{label_map, status};

impl Show<Organization> for Row {
    fn show(self) -> Organization {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, parent_id, name, suspended_at, purging_at, generation, created_at, .. } = row;
        Organization { id, parent_id, name, status: status(suspended_at, purging_at), labels, generation, created_at }
    }
}
