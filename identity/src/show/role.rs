//! Custom roles.

use crate::show::Show;
use iroko_store::custom_role::CustomRole as Row;
use iroko_wire::label_map;
use iroko_wire::role::*;

impl Show<CustomRole> for Row {
    fn show(self) -> CustomRole {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, organization_id, name, permissions, generation, created_at, .. } = row;
        CustomRole { id, organization_id, name, permissions, labels, generation, created_at }
    }
}
