//! Role bindings.

use crate::show::Show;
use iroko_model::{Invalid, Role};
use iroko_store::role_binding::{Holder, RoleBinding as Row, RoleRef};
use iroko_web::problem::Faults;
use iroko_wire::role_binding::*;

/// Who is to get which role.
pub fn checked(wire: RoleBindingCreate) -> Result<(Holder, RoleRef), Faults> {
    let mut faults = Faults::default();
    let holder = match (wire.user_id, wire.group_id, wire.service_account_id) {
        (Some(id), None, None) => Ok(Holder::User(id)),
        (None, Some(id), None) => Ok(Holder::Group(id)),
        (None, None, Some(id)) => Ok(Holder::ServiceAccount(id)),
        _ => Err(Invalid::new("holder_one", "give exactly one of user_id, group_id and service_account_id")),
    };
    let holder = faults.take("", holder);
    let role = match (wire.role, wire.custom_role_id) {
        (Some(role), None) => faults.take("/role", role.parse::<Role>()).map(RoleRef::BuiltIn),
        (None, Some(id)) => Some(RoleRef::Custom(id)),
        _ => faults.take("", Err(Invalid::new("role_one", "give exactly one of role and custom_role_id"))),
    };
    faults.finish_with(holder.zip(role))
}

impl Show<RoleBinding> for Row {
    fn show(self) -> RoleBinding {
        let row = self;
        let Row {
            id, group_id, service_account_id, role, custom_role_id, organization_id, project_id, created_at, ..
        } = row;
        RoleBinding {
            id,
            user_id: row.account_id,
            group_id,
            service_account_id,
            role,
            custom_role_id,
            organization_id,
            project_id,
            created_at,
        }
    }
}
