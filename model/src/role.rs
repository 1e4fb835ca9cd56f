//! Roles: named sets of permissions, and what the roles somebody holds amount to on a scope.
//!
//! ```text
//!   system ─> organization ─> child organization ─> project
//!   0         1               2                     the last
//! ```
//!
//! A role bound on a level holds on every level below. Where a level is suspended, what was bound
//! on it or below it is void; what was bound above keeps what one needs to look and to resume.

use crate::Invalid;
use crate::permission::{Permission, Permissions};
use Permission as P;
use std::str::FromStr;

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs hosts, flavors, organizations and quotas; sees no tenant's user data, console or keys.
    Operator,
    /// Reads everything and its audit log, but no secret; changes nothing.
    Auditor,
    /// May do everything of a tenant.
    Owner,
    /// Runs projects and people, but cannot make owners, nor give up or change the organization.
    Admin,
    /// Works with the resources of a project.
    Member,
    /// Sees the resources of a project.
    Reader,
}

const RESOURCES_READ: Permissions = Permissions::of(&[
    P::InstanceRead,
    P::ImageRead,
    P::NetworkRead,
    P::SubnetRead,
    P::PortRead,
    P::SecurityGroupRead,
    P::AddressSetRead,
    P::QosPolicyRead,
    P::ProjectRead,
    P::QuotaRead,
]);
const READER: Permissions =
    RESOURCES_READ.union(Permissions::of(&[P::SshKeyRead, P::OrganizationRead, P::EventRead, P::ConnectionLogRead]));
const MEMBER: Permissions = READER.union(Permissions::of(&[
    P::InstanceCreate,
    P::InstanceUpdate,
    P::InstancePower,
    P::InstanceDelete,
    P::InstanceConsole,
    P::InstanceUserData,
    P::ImageCreate,
    P::ImageUpdate,
    P::ImageDelete,
    P::NetworkCreate,
    P::NetworkUpdate,
    P::NetworkDelete,
    P::SubnetCreate,
    P::SubnetUpdate,
    P::SubnetDelete,
    P::PortCreate,
    P::PortUpdate,
    P::PortDelete,
    P::ConnectionLogManage,
    P::SecurityGroupCreate,
    P::SecurityGroupUpdate,
    P::SecurityGroupDelete,
    P::AddressSetCreate,
    P::AddressSetUpdate,
    P::AddressSetDelete,
    P::QosPolicyCreate,
    P::QosPolicyUpdate,
    P::QosPolicyDelete,
    P::SshKeyCreate,
    P::SshKeyUpdate,
    P::SshKeyDelete,
]));
const PEOPLE_READ: Permissions = Permissions::of(&[
    P::UserRead,
    P::GroupRead,
    P::ServiceAccountRead,
    P::ApiKeyRead,
    P::RoleRead,
    P::RoleBindingRead,
    P::IdentityProviderRead,
]);
const ADMIN: Permissions = MEMBER.union(PEOPLE_READ).union(Permissions::of(&[
    P::PortDisableSecurity,
    P::AuditRead,
    P::ProjectCreate,
    P::ProjectUpdate,
    P::ProjectDelete,
    P::ProjectSuspend,
    P::UserCreate,
    P::UserUpdate,
    P::UserDelete,
    P::GroupCreate,
    P::GroupUpdate,
    P::GroupDelete,
    P::ServiceAccountCreate,
    P::ServiceAccountUpdate,
    P::ServiceAccountDelete,
    P::ApiKeyCreate,
    P::ApiKeyDelete,
    P::RoleCreate,
    P::RoleUpdate,
    P::RoleDelete,
    P::RoleBindingCreate,
    P::RoleBindingDelete,
]));
const OWNER: Permissions = ADMIN.union(Permissions::of(&[
    P::OrganizationCreate,
    P::OrganizationUpdate,
    P::OrganizationDelete,
    P::OrganizationSuspend,
    P::UserCredential,
    P::IdentityProviderManage,
    P::QuotaUpdate,
]));
const SYSTEM_READ: Permissions = Permissions::of(&[
    P::InstanceSystem,
    P::HostRead,
    P::EnrolmentTokenRead,
    P::SigningKeyRead,
    P::EventSystem,
    P::AuditSystem,
]);
const AUDITOR: Permissions = READER.union(PEOPLE_READ).union(SYSTEM_READ).union(Permissions::of(&[P::AuditRead]));
const OPERATOR: Permissions = RESOURCES_READ.union(PEOPLE_READ).union(SYSTEM_READ).union(Permissions::of(&[
    P::OrganizationRead,
    P::OrganizationCreate,
    P::OrganizationUpdate,
    P::OrganizationDelete,
    P::OrganizationSuspend,
    P::ProjectCreate,
    P::ProjectUpdate,
    P::ProjectDelete,
    P::ProjectSuspend,
    P::QuotaUpdate,
    P::UserCreate,
    P::UserUpdate,
    P::RoleBindingCreate,
    P::RoleBindingDelete,
    P::HostUpdate,
    P::HostDelete,
    P::HostDeclareDead,
    P::OrphanManage,
    P::EnrolmentTokenCreate,
    P::EnrolmentTokenDelete,
    P::FlavorCreate,
    P::FlavorUpdate,
    P::FlavorDelete,
    P::SigningKeyRotate,
]));
/// What somebody above a suspended organization or project may still do there: look, let it go on,
/// settle its limits, or end it.
const WHILE_SUSPENDED: Permissions = AUDITOR.union(Permissions::of(&[
    P::OrganizationSuspend,
    P::OrganizationDelete,
    P::ProjectSuspend,
    P::ProjectDelete,
    P::QuotaUpdate,
]));

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Operator, Self::Auditor, Self::Owner, Self::Admin, Self::Member, Self::Reader];

    /// The word in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Reader => "reader",
        }
    }

    /// What it allows.
    pub const fn permissions(self) -> Permissions {
        match self {
            Self::Operator => OPERATOR,
            Self::Auditor => AUDITOR,
            Self::Owner => OWNER,
            Self::Admin => ADMIN,
            Self::Member => MEMBER,
            Self::Reader => READER,
        }
    }

    /// Built-in roles that allow something, least first.
    pub fn that_allow(permission: Permission) -> Vec<Self> {
        let mut roles: Vec<Self> = Self::ALL.into_iter().filter(|role| role.permissions().has(permission)).collect();
        roles.reverse();
        roles
    }
}

impl FromStr for Role {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| {
            Invalid::new("role_unknown", format!("{text:?} is not operator, auditor, owner, admin, member or reader"))
        })
    }
}

/// A role that somebody holds on the way from the system down to a scope.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// What it allows.
    pub permissions: Permissions,
    /// The level it was bound on.
    pub level: i32,
}

/// What somebody may do on a scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// This.
    pub permissions: Permissions,
    /// And this, were the scope not suspended.
    pub suspended: Permissions,
}

/// Adds up what somebody holds. `suspended_from`: the highest level that is suspended.
pub fn held(grants: impl IntoIterator<Item = Grant>, suspended_from: Option<i32>) -> Held {
    let mut held = Held::default();
    for Grant { permissions, level } in grants {
        let valid = match suspended_from {
            None => permissions,
            Some(from) if level < from => permissions.intersection(WHILE_SUSPENDED),
            Some(_) => Permissions::NONE,
        };
        held.permissions = held.permissions.union(valid);
        held.suspended = held.suspended.union(permissions.minus(valid));
    }
    held.suspended = held.suspended.minus(held.permissions);
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grow_and_keep_apart() {
        for (small, large) in [(READER, MEMBER), (MEMBER, ADMIN), (ADMIN, OWNER), (READER, AUDITOR)] {
            assert!(small.minus(large).is_empty() && small != large, "{:?}", small.minus(large));
        }
        for secret in [P::InstanceConsole, P::InstanceUserData] {
            assert!(!OPERATOR.has(secret) && !AUDITOR.has(secret) && !READER.has(secret), "{secret}");
        }
        assert!(!OPERATOR.has(P::SshKeyRead) && !OWNER.has(P::HostRead));
        assert!(AUDITOR.iter().all(|permission| permission.as_str().ends_with(".read")));
        let reads: Permissions = P::ALL.iter().copied().filter(|p| p.as_str().ends_with(".read")).collect();
        assert_eq!(AUDITOR, reads, "an auditor reads everything");
        let known = Role::ALL.into_iter().fold(Permissions::NONE, |all, role| all.union(role.permissions()));
        assert_eq!(known, P::ALL.iter().copied().collect(), "every permission is in a built-in role");
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().unwrap(), role);
        }
        assert_eq!(Role::that_allow(P::InstanceConsole), [Role::Member, Role::Admin, Role::Owner]);
    }

    #[test]
    fn suspension_voids_what_was_bound_on_it_or_below() {
        let grant = |role: Role, level| Grant { permissions: role.permissions(), level };
        let owner_of = |level| held([grant(Role::Owner, level)], Some(2));
        assert_eq!(held([grant(Role::Owner, 2)], None), Held { permissions: OWNER, suspended: Permissions::NONE });
        for level in [2, 3] {
            assert_eq!(owner_of(level), Held { permissions: Permissions::NONE, suspended: OWNER });
        }
        let above = owner_of(1);
        assert!(above.permissions.has(P::OrganizationSuspend) && above.permissions.has(P::InstanceRead));
        assert!(!above.permissions.has(P::InstanceCreate) && above.suspended.has(P::InstanceCreate));
        assert_eq!(held([], Some(0)), Held::default());
    }
}
