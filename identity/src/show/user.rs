//! Users.

use crate::show::Show;
use iroko_store::user::User as Row;
use iroko_wire::label_map;
use iroko_wire::user::*;

impl Show<User> for Row {
    fn show(self) -> User {
        let row = self;
        let labels = label_map(&row.labels);
        let Row { id, organization_id, username, disabled_at, generation, created_at, .. } = row;
        User { id, organization_id, username, disabled: disabled_at.is_some(), labels, generation, created_at }
    }
}
