//! Security groups.

use crate::show::Show;
use iroko_store::security_group::SecurityGroup as Row;
use iroko_wire::label_map;
use iroko_wire::security_group::*;

impl Show<SecurityGroup> for Row {
    fn show(self) -> SecurityGroup {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, name, description, stateful, is_default, generation, created_at, .. } = row;
        SecurityGroup { id, name, description, stateful, is_default, labels, generation, created_at }
    }
}
