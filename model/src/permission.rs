//! Permissions: what can be allowed, each with a name and a type of its own, and sets of them.
//!
//! The table below is the whole list. A route names its permission as a type of [`perm`], so that
//! the compiler sees what it asks; a role is a [`Permissions`], a set of bits.

use crate::{Invalid, checked};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A permission as a type, for routes.
pub trait Named: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// One thing that can be allowed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission { $(#[doc = $doc] $variant,)* }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The name, as in custom roles and in the API's document.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $name,)* } }
            /// What it allows, in words.
            pub const fn meaning(self) -> &'static str { match self { $(Self::$variant => $doc,)* } }
        }

        /// The permissions as types.
        pub mod perm {
            $(#[doc = $doc] #[derive(Debug, Clone, Copy)] pub enum $variant {}
            impl super::Named for $variant { const PERMISSION: super::Permission = super::Permission::$variant; })*
        }
    };
}

permissions! {
    InstanceRead = "instance.read", "See instances";
    InstanceCreate = "instance.create", "Make instances";
    InstanceUpdate = "instance.update", "Rename, describe and label instances";
    InstancePower = "instance.power", "Start, stop and reboot instances";
    InstanceDelete = "instance.delete", "Delete instances";
    InstanceConsole = "instance.console", "Read the console of instances";
    InstanceUserData = "instance.user_data", "Read the user data of instances";
    InstanceSystem = "system_instance.read", "See the instances of all tenants, on which host each is, and what is stuck";
    ImageRead = "image.read", "See images";
    ImageCreate = "image.create", "Make images and upload their bytes";
    ImageUpdate = "image.update", "Rename, describe and label images";
    ImageDelete = "image.delete", "Delete images";
    NetworkRead = "network.read", "See networks";
    NetworkCreate = "network.create", "Make networks";
    NetworkUpdate = "network.update", "Rename, describe and label networks";
    NetworkDelete = "network.delete", "Delete networks";
    SubnetRead = "subnet.read", "See subnets";
    SubnetCreate = "subnet.create", "Make subnets";
    SubnetUpdate = "subnet.update", "Rename, describe and label subnets";
    SubnetDelete = "subnet.delete", "Delete subnets";
    PortRead = "port.read", "See ports";
    PortCreate = "port.create", "Make ports";
    PortUpdate = "port.update", "Change the security groups, allowed addresses and QoS policy of ports";
    PortDisableSecurity = "port.disable_security", "Let ports send from any address and past their security groups";
    PortDelete = "port.delete", "Delete ports";
    ConnectionLogRead = "connection_log.read", "Read which connections of ports were recorded";
    ConnectionLogManage = "connection_log.manage", "Have connections of ports recorded, and delete the records";
    SecurityGroupRead = "security_group.read", "See security groups and their rules";
    SecurityGroupCreate = "security_group.create", "Make security groups";
    SecurityGroupUpdate = "security_group.update", "Change security groups, make and delete their rules";
    SecurityGroupDelete = "security_group.delete", "Delete security groups";
    AddressSetRead = "address_set.read", "See address sets";
    AddressSetCreate = "address_set.create", "Make address sets";
    AddressSetUpdate = "address_set.update", "Change address sets";
    AddressSetDelete = "address_set.delete", "Delete address sets";
    QosPolicyRead = "qos_policy.read", "See QoS policies";
    QosPolicyCreate = "qos_policy.create", "Make QoS policies";
    QosPolicyUpdate = "qos_policy.update", "Change QoS policies";
    QosPolicyDelete = "qos_policy.delete", "Delete QoS policies";
    SshKeyRead = "ssh_key.read", "See SSH keys";
    SshKeyCreate = "ssh_key.create", "Make SSH keys";
    SshKeyUpdate = "ssh_key.update", "Rename, describe and label SSH keys";
    SshKeyDelete = "ssh_key.delete", "Delete SSH keys";
    ProjectRead = "project.read", "See projects";
    ProjectCreate = "project.create", "Make projects";
    ProjectUpdate = "project.update", "Rename and label projects";
    ProjectDelete = "project.delete", "Delete projects";
    ProjectSuspend = "project.suspend", "Suspend and resume projects";
    OrganizationRead = "organization.read", "See organizations";
    OrganizationCreate = "organization.create", "Make organizations below";
    OrganizationUpdate = "organization.update", "Rename and label organizations";
    OrganizationDelete = "organization.delete", "Delete organizations";
    OrganizationSuspend = "organization.suspend", "Suspend and resume organizations";
    UserRead = "user.read", "See users";
    UserCreate = "user.create", "Make users";
    UserUpdate = "user.update", "Disable, enable and label users";
    UserDelete = "user.delete", "Delete users";
    UserCredential = "user.credential", "Reset the credentials of users";
    GroupRead = "group.read", "See groups and their members";
    GroupCreate = "group.create", "Make groups";
    GroupUpdate = "group.update", "Change groups and their members";
    GroupDelete = "group.delete", "Delete groups";
    ServiceAccountRead = "service_account.read", "See service accounts";
    ServiceAccountCreate = "service_account.create", "Make service accounts";
    ServiceAccountUpdate = "service_account.update", "Change, disable and enable service accounts";
    ServiceAccountDelete = "service_account.delete", "Delete service accounts";
    ApiKeyRead = "api_key.read", "See API keys, without their secret";
    ApiKeyCreate = "api_key.create", "Make API keys";
    ApiKeyDelete = "api_key.delete", "Revoke API keys";
    RoleRead = "role.read", "See custom roles";
    RoleCreate = "role.create", "Make custom roles";
    RoleUpdate = "role.update", "Change custom roles";
    RoleDelete = "role.delete", "Delete custom roles";
    RoleBindingRead = "role_binding.read", "See who has which role";
    RoleBindingCreate = "role_binding.create", "Give roles";
    RoleBindingDelete = "role_binding.delete", "Take roles away";
    IdentityProviderRead = "identity_provider.read", "See identity providers, without their secret";
    IdentityProviderManage = "identity_provider.manage", "Make, change and delete identity providers";
    QuotaRead = "quota.read", "See quotas and their usage";
    QuotaUpdate = "quota.update", "Set quotas of what is below";
    EventRead = "event.read", "Follow what happens to the resources of a project, its SSH keys too, and in an organization to what one may see there";
    EventSystem = "system_event.read", "Follow what happens to hosts, flavors and organizations";
    AuditRead = "audit.read", "Read the audit log of an organization or project";
    AuditSystem = "system_audit.read", "Read the audit log of the system";
    HostRead = "host.read", "See hosts, and on which host an instance is";
    HostUpdate = "host.update", "Enable, disable, describe and label hosts";
    HostDelete = "host.delete", "Forget hosts";
    HostDeclareDead = "host.declare_dead", "Say that a host is lost for good, with the disks on it";
    OrphanManage = "orphan.manage", "Adopt and remove what hosts have and the database does not know";
    EnrolmentTokenRead = "enrolment_token.read", "See enrolment tokens, without their secret";
    EnrolmentTokenCreate = "enrolment_token.create", "Make enrolment tokens";
    EnrolmentTokenDelete = "enrolment_token.delete", "Revoke enrolment tokens";
    FlavorCreate = "flavor.create", "Make flavors";
    FlavorUpdate = "flavor.update", "Rename, describe and label flavors";
    FlavorDelete = "flavor.delete", "Delete flavors";
    SigningKeyRead = "signing_key.read", "See the keys that sign tokens, without their secret";
    SigningKeyRotate = "signing_key.rotate", "Change and forget the keys that sign tokens";
}

impl Permission {
    /// True for what gives somebody authority that is not bound to where the giver may act from: credentials, roles,
    /// membership, whoever vouches for people, hosts. A key that is good in some networks only does none of it.
    pub const fn gives_authority(self) -> bool {
        matches!(
            self,
            Self::UserCreate
                | Self::UserUpdate
                | Self::UserCredential
                | Self::GroupUpdate
                | Self::ServiceAccountUpdate
                | Self::ApiKeyCreate
                | Self::RoleUpdate
                | Self::RoleBindingCreate
                | Self::IdentityProviderManage
                | Self::OrganizationCreate
                | Self::EnrolmentTokenCreate
        )
    }
}

impl FromStr for Permission {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().copied().find(|permission| permission.as_str() == text);
        found.ok_or_else(|| Invalid::new("permission_unknown", format!("{text:?} is not the name of a permission")))
    }
}

impl TryFrom<String> for Permission {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        checked::deserialize::<String, _, _>(from, || Self::InstanceRead)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Words of 64 bits in a set.
const WORDS: usize = 4;

/// A set of permissions, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions([u64; WORDS]);

impl Permissions {
    /// None.
    pub const NONE: Self = Self([0; WORDS]);

    /// Those of a list.
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut at) = ([0; WORDS], 0);
        while at < list.len() {
            let number = list[at] as usize;
            bits[number / 64] |= 1 << (number % 64);
            at += 1;
        }
        Self(bits)
    }

    /// Both together.
    pub const fn union(self, other: Self) -> Self {
        let (mut bits, mut at) = (self.0, 0);
        while at < WORDS {
            bits[at] |= other.0[at];
            at += 1;
        }
        Self(bits)
    }

    /// What both have.
    pub const fn intersection(self, other: Self) -> Self {
        let (mut bits, mut at) = (self.0, 0);
        while at < WORDS {
            bits[at] &= other.0[at];
            at += 1;
        }
        Self(bits)
    }

    /// What this has and the other has not.
    pub const fn minus(self, other: Self) -> Self {
        let (mut bits, mut at) = (self.0, 0);
        while at < WORDS {
            bits[at] &= !other.0[at];
            at += 1;
        }
        Self(bits)
    }

    /// True where it has the permission.
    pub const fn has(self, permission: Permission) -> bool {
        let number = permission as usize;
        self.0[number / 64] & (1 << (number % 64)) != 0
    }

    /// True where it has nothing.
    pub const fn is_empty(self) -> bool {
        let mut at = 0;
        while at < WORDS {
            if self.0[at] != 0 {
                return false;
            }
            at += 1;
        }
        true
    }

    /// The permissions, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Permission::as_str).collect()
    }

    /// Those of a list of names; a name of another release counts for nothing.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(|name| name.parse().ok()).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(iter: I) -> Self {
        iter.into_iter().fold(Self::NONE, |set, permission| set.union(Self::of(&[permission])))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

// A bit each.
const _: () = assert!(Permission::ALL.len() <= 64 * WORDS);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        let names: std::collections::BTreeSet<_> = Permission::ALL.iter().map(|p| p.as_str()).collect();
        assert_eq!(names.len(), Permission::ALL.len());
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse::<Permission>().unwrap(), *permission);
            let (noun, verb) = permission.as_str().split_once('.').unwrap();
            assert!(!noun.is_empty() && !verb.is_empty());
        }
        assert_eq!("instance".parse::<Permission>().unwrap_err().rule, "permission_unknown");
        assert_eq!(<perm::InstanceConsole as Named>::PERMISSION, Permission::InstanceConsole);
    }

    fn set() -> impl Strategy<Value = Vec<Permission>> {
        proptest::collection::vec(proptest::sample::select(Permission::ALL), 0..20)
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in set(), b in set()) {
            let (x, y) = (Permissions::of(&a), Permissions::of(&b));
            for permission in Permission::ALL {
                let (in_a, in_b) = (a.contains(permission), b.contains(permission));
                prop_assert_eq!(x.union(y).has(*permission), in_a || in_b);
                prop_assert_eq!(x.intersection(y).has(*permission), in_a && in_b);
                prop_assert_eq!(x.minus(y).has(*permission), in_a && !in_b);
            }
            prop_assert_eq!(Permissions::of_names(x.names()), x);
            prop_assert_eq!(x.minus(y).is_empty(), a.iter().all(|p| b.contains(p)));
        }
    }
}
