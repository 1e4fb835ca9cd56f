//! What the caller is and may do.

use crate::show::Show;
use iroko_store::authority::{HeldRole, Scope};
use iroko_wire::me::*;

impl Show<MyRole> for HeldRole {
    fn show(self) -> MyRole {
        let held = self;
        let (organization_id, project_id) = match held.scope {
            Scope::System => (None, None),
            Scope::Organization(id) => (Some(id.as_uuid()), None),
            Scope::Project(id) => (None, Some(id.as_uuid())),
        };
        MyRole {
            role: held.role,
            custom_role_id: held.custom_role_id,
            organization_id,
            project_id,
            suspended: held.is_void,
            permissions: held.permissions.names().into_iter().map(str::to_owned).collect(),
        }
    }
}
