//! Where a guard has let somebody in, as the store understands it.

use crate::extract::{AboveOrganization, AboveProject, Caller, System, Tenant, Within as InOrganization};
use iroko_model::Permission;
use iroko_store::authority::Scope;
use iroko_store::noun::Within;

/// See the module.
pub trait Place {
    /// Whose rows its holder may reach.
    fn within(&self) -> Within;
    /// The scope, for quotas.
    fn scope(&self) -> Scope;
    /// Its holder has this permission there, too.
    fn has(&self, permission: Permission) -> bool;
}

macro_rules! places {
    ($($guard:ident: $self:ident => $within:expr, $scope:expr;)*) => {$(
        impl<P> Place for $guard<P> {
            fn within(&$self) -> Within { $within }
            fn scope(&$self) -> Scope { $scope }
            fn has(&$self, permission: Permission) -> bool { $self.held.has(permission) }
        }
    )*};
}

places! {
    Tenant: self => Within::project(self.project), Scope::Project(self.project);
    AboveProject: self => Within::project(self.project), Scope::Project(self.project);
    InOrganization: self => Within::organization(self.organization), Scope::Organization(self.organization);
    AboveOrganization: self => Within::organization(self.organization), Scope::Organization(self.organization);
    System: self => Within::system(), Scope::System;
}

impl Place for Caller {
    fn within(&self) -> Within {
        Within::system()
    }

    fn scope(&self) -> Scope {
        Scope::System
    }

    fn has(&self, permission: Permission) -> bool {
        self.0.held.has(permission)
    }
}
