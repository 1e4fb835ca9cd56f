//! What a host needs because of other objects that it has.

use crate::key::{Tagged, body};
use iroko_model::{AddressSetId, NetworkId, SecurityGroupId};
use serde::{Deserialize, Deserializer, Serialize};

/// One thing that a host needs: one or more objects that come and go together.
///
/// Objects form a graph. *Roots* (instances, ports) are placed on a host and stay until the control plane says
/// that they are gone. All else is needed because of a root, over any number of steps:
///
/// ```text
///   port ──on──> network, with its peers
///     └──in──> security group ──rule──> members of a group on the port's network
///                         └──rule──> address set
/// ```
///
/// A host that starts to need something receives all of it ([`crate::Change::Anew`] and the objects), then each
/// change of it. A host that stops needing it receives nothing: the agent drops it by itself, because no root leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Need {
    /// A network that a port is on: itself and its ports on other hosts.
    Network(NetworkId),
    /// A group that a port is in: its rules.
    SecurityGroup(SecurityGroupId),
    /// A group that a rule of such a group refers to: its members on the network of the port.
    Members(SecurityGroupId, NetworkId),
    /// An address set that a rule of such a group refers to.
    AddressSet(AddressSetId),
    /// One that this release does not know.
    Unknown,
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged { kind, spec } = Tagged::deserialize(deserializer)?;
        match kind.as_ref() {
            "network" => body(spec).map(Self::Network),
            "security_group" => body(spec).map(Self::SecurityGroup),
            "members" => body(spec).map(|(group, network)| Self::Members(group, network)),
            "address_set" => body(spec).map(Self::AddressSet),
            _ => Ok(Self::Unknown),
        }
    }
}
