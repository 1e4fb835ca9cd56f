//! Groups.

use crate::show::Show;
use iroko_store::group::Group as Row;
use iroko_wire::group::*;
use iroko_wire::label_map;

impl Show<Group> for Row {
    fn show(self) -> Group {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, organization_id, name, generation, created_at, .. } = row;
        Group { id, organization_id, name, labels, generation, created_at }
    }
}
