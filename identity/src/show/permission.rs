//! What somebody may do somewhere.

use crate::show::Show;
use iroko_model::role::Held;
use iroko_wire::permission::Permissions;

impl Show<Permissions> for Held {
    fn show(self) -> Permissions {
        let names = |set: iroko_model::Permissions| set.names().into_iter().map(str::to_owned).collect();
        Permissions { permissions: names(self.permissions), suspended: names(self.suspended) }
    }
}
