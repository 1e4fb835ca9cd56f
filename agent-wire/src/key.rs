//! Names of objects, and how a reader tells one kind from another.

use iroko_model::{AddressSetId, InstanceId, NetworkId, PortId, SecurityGroupId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Names a desired object. On the wire `{"kind": "port", "id": "..."}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum ObjectKey {
    /// An instance.
    Instance(InstanceId),
    /// A network.
    Network(NetworkId),
    /// A port on this host.
    Port(PortId),
    /// A port elsewhere.
    Peer(NetworkId, PortId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A member of a group.
    Member(SecurityGroupId, PortId),
    /// An address set.
    AddressSet(AddressSetId),
    /// One of a kind that this release does not know. Nothing of that kind is held, so nothing is to be done.
    Unknown,
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged { kind, spec } = Tagged::deserialize(deserializer)?;
        match kind.as_ref() {
            "instance" => body(spec).map(Self::Instance),
            "network" => body(spec).map(Self::Network),
            "port" => body(spec).map(Self::Port),
            "peer" => body(spec).map(|(network, port)| Self::Peer(network, port)),
            "security_group" => body(spec).map(Self::SecurityGroup),
            "member" => body(spec).map(|(group, port)| Self::Member(group, port)),
            "address_set" => body(spec).map(Self::AddressSet),
            _ => Ok(Self::Unknown),
        }
    }
}

/// Something with a kind, whose body is read only once its kind is known.
#[derive(Deserialize)]
pub(crate) struct Tagged<'a> {
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow, alias = "id")]
    pub(crate) spec: &'a RawValue,
}

/// Reads a body as that of a known kind.
pub(crate) fn body<T: DeserializeOwned, E: serde::de::Error>(raw: &RawValue) -> Result<T, E> {
    serde_json::from_str(raw.get()).map_err(E::custom)
}
