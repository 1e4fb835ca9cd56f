//! Typed identifiers: a UUIDv7 that cannot be mistaken for that of another kind of thing.
//!
//! UUIDv7 starts with the millisecond of its making, so rows sort by age and indexes stay compact.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, later in order than those made before it on this machine.
            #[allow(clippy::new_without_default, reason = "a default that differs each time surprises")]
            pub fn new() -> Self { Self(Uuid::now_v7()) }
            /// The bare UUID, for the database and for device names.
            pub const fn as_uuid(&self) -> Uuid { self.0 }
        }
        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> { crate::schema::id() }
        }
        #[cfg(feature = "schema")]
        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
        }
        impl From<Uuid> for $name { fn from(id: Uuid) -> Self { Self(id) } }
        impl From<$name> for Uuid { fn from(id: $name) -> Uuid { id.0 } }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { text.parse().map(Self) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}({})", stringify!($name), self.0) }
        }
    )*};
}

ids! {
    /// A ministry, an ISP, a company: the owner of projects and users.
    OrganizationId;
    /// A project: the tenancy boundary, owner of instances, networks, images and keys.
    ProjectId;
    /// A person who can log in.
    UserId;
    /// A group of users.
    GroupId;
    /// A program that acts for an organization.
    ServiceAccountId;
    /// A role made by an organization.
    CustomRoleId;
    /// Something that was asked of an instance.
    ActionId;
    /// A role that somebody holds on a scope.
    RoleBindingId;
    /// A disk image that instances start from.
    ImageId;
    /// A size an instance can have.
    FlavorId;
    /// A public SSH key that instances are told to accept.
    SshKeyId;
    /// A tenant network: one VNI, one layer-2 segment.
    NetworkId;
    /// An address range on a network.
    SubnetId;
    /// An instance's place on a network: a MAC address, its IP addresses, a tap.
    PortId;
    /// A set of rules that says what a port may send and get.
    SecurityGroupId;
    /// A rule of a security group.
    SecurityGroupRuleId;
    /// A named list of address ranges that rules refer to.
    AddressSetId;
    /// How much ports may carry, under a name.
    QosPolicyId;
    /// A virtual machine.
    InstanceId;
    /// A machine that carries instances.
    HostId;
    /// A one-time right to become a host.
    EnrolmentTokenId;
    /// One log-in of a person.
    SessionId;
    /// A credential of a service account.
    ApiKeyId;
    /// Who vouches for the people of an organization.
    IdentityProviderId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_age_and_survive_text() {
        let (first, second) = (InstanceId::new(), InstanceId::new());
        assert!(first < second);
        assert_eq!(first.to_string().parse::<InstanceId>().unwrap(), first);
        assert_eq!(first.as_uuid().get_version_num(), 7);
    }
}
