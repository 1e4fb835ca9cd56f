//! The watch: what changed since a revision.

use crate::{AddressSetSpec, AgentKind, InstanceSpec, MemberSpec, NetworkSpec, PeerSpec, PortSpec, SecurityGroupSpec};
use iroko_model::{AddressSetId, InstanceId, NetworkId, PortId, SecurityGroupId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Query of `GET /agent/v1/desired`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DesiredQuery {
    /// Which agent asks.
    pub agent: AgentKind,
    /// The revision the agent holds; empty or unknown to the server: everything is sent.
    #[serde(default)]
    pub after: String,
    /// Seconds to wait for a change before answering with none; at most 60.
    #[serde(default)]
    pub wait_s: u64,
}

/// Answer of `GET /agent/v1/desired`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DesiredReply {
    /// The revision the agent holds after it has taken this answer. Opaque to the agent.
    pub revision: String,
    /// True: the changes are all that is known to be wanted. What an agent holds beside them it keeps as it is and
    /// reports as an orphan, until it is told that it is gone.
    /// False: they are to be applied, in order, to what the agent holds.
    pub full: bool,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Machines whose console log somebody is waiting for; to be answered once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles_wanted: Vec<InstanceId>,
    /// In an agent's own file only: what it keeps though a full answer did not name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Object>,
}

/// One change. On the wire `{"set": {"kind": "port", "spec": {...}}}` or
/// `{"gone": {"kind": "port", "id": "..."}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The object as it now is.
    Set(Object),
    /// The object is no longer wanted here.
    Gone(ObjectKey),
}

/// A desired object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "spec", rename_all = "snake_case")]
pub enum Object {
    /// For the compute-agent: a machine.
    Instance(Arc<InstanceSpec>),
    /// For the net-agent: a network that is new here or has changed. Its peers are objects of their
    /// own; those already held stay.
    Network(Arc<NetworkSpec>),
    /// For the net-agent: a port on this host.
    Port(Arc<PortSpec>),
    /// For the net-agent: a port of one of its networks on another host.
    Peer(Arc<PeerSpec>),
    /// For the net-agent: a security group that one of its ports is in.
    SecurityGroup(Arc<SecurityGroupSpec>),
    /// For the net-agent: a member of a group that a rule on this host refers to.
    Member(Arc<MemberSpec>),
    /// For the net-agent: an address set that a rule on this host refers to.
    AddressSet(Arc<AddressSetSpec>),
    /// A kind that a newer control plane knows; ignored.
    Unknown,
}

/// Names a desired object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum ObjectKey {
    /// A machine.
    Instance(InstanceId),
    /// A network; its ports and peers on this host go with it.
    Network(NetworkId),
    /// A port on this host.
    Port(PortId),
    /// A port elsewhere.
    Peer(NetworkId, PortId),
    /// A security group.
    SecurityGroup(SecurityGroupId),
    /// A member of a group.
    Member(SecurityGroupId, PortId),
    /// All members of a group that are on a network; what is told of them afterwards is all.
    Members(SecurityGroupId, NetworkId),
    /// An address set.
    AddressSet(AddressSetId),
    /// A kind that a newer control plane knows; ignored.
    Unknown,
}

impl Object {
    /// The key of this object.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Instance(spec) => ObjectKey::Instance(spec.id),
            Self::Network(spec) => ObjectKey::Network(spec.id),
            Self::Port(spec) => ObjectKey::Port(spec.id),
            Self::Peer(spec) => ObjectKey::Peer(spec.network_id, spec.port_id),
            Self::SecurityGroup(spec) => ObjectKey::SecurityGroup(spec.id),
            Self::Member(spec) => ObjectKey::Member(spec.group_id, spec.port_id),
            Self::AddressSet(spec) => ObjectKey::AddressSet(spec.id),
            Self::Unknown => ObjectKey::Unknown,
        }
    }
}

impl Change {
    /// The key of the object that changed.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Set(object) => object.key(),
            Self::Gone(key) => *key,
        }
    }
}

/// A tagged object whose body is read only once its kind is known.
#[derive(Deserialize)]
struct Tagged<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, alias = "id")]
    spec: &'a RawValue,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged { kind, spec } = Tagged::deserialize(deserializer)?;
        match kind.as_ref() {
            "instance" => body(spec).map(Self::Instance),
            "network" => body(spec).map(Self::Network),
            "port" => body(spec).map(Self::Port),
            "peer" => body(spec).map(Self::Peer),
            "security_group" => body(spec).map(Self::SecurityGroup),
            "member" => body(spec).map(Self::Member),
            "address_set" => body(spec).map(Self::AddressSet),
            _ => Ok(Self::Unknown),
        }
    }
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
            "members" => body(spec).map(|(group, network)| Self::Members(group, network)),
            "address_set" => body(spec).map(Self::AddressSet),
            _ => Ok(Self::Unknown),
        }
    }
}

fn body<T: DeserializeOwned, E: serde::de::Error>(raw: &RawValue) -> Result<T, E> {
    serde_json::from_str(raw.get()).map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_a_newer_release_are_ignored() {
        let text = r#"{"revision":"r2","full":false,"new_field":1,"changes":[
            {"set":{"kind":"router","spec":{"id":"x","legs":[1,2]}}},
            {"gone":{"kind":"volume","id":"y"}},
            {"gone":{"kind":"port","id":"0198c0de-0000-7000-8000-000000000001"}}]}"#;
        let reply: DesiredReply = serde_json::from_str(text).unwrap();
        assert_eq!(reply.changes[0].key(), ObjectKey::Unknown);
        assert_eq!(reply.changes[1].key(), ObjectKey::Unknown);
        assert!(matches!(reply.changes[2].key(), ObjectKey::Port(_)));
    }

    #[test]
    fn keys_round_trip() {
        for key in [
            ObjectKey::Instance(InstanceId::new()),
            ObjectKey::Network(NetworkId::new()),
            ObjectKey::Port(PortId::new()),
            ObjectKey::Peer(NetworkId::new(), PortId::new()),
            ObjectKey::SecurityGroup(SecurityGroupId::new()),
            ObjectKey::Member(SecurityGroupId::new(), PortId::new()),
            ObjectKey::Members(SecurityGroupId::new(), NetworkId::new()),
            ObjectKey::AddressSet(AddressSetId::new()),
        ] {
            let text = serde_json::to_string(&Change::Gone(key)).unwrap();
            assert_eq!(serde_json::from_str::<Change>(&text).unwrap().key(), key, "{text}");
        }
    }

    #[test]
    fn a_port_of_a_release_without_groups_is_secured_and_has_none() {
        let text = r#"{"id":"0198c0de-0000-7000-8000-000000000001","network_id":"0198c0de-0000-7000-8000-000000000002",
            "instance_id":"0198c0de-0000-7000-8000-000000000003","generation":1,"tap":"ikt1","mac":"02:00:00:00:00:01",
            "addresses":["10.0.0.1"],"hostname":"a"}"#;
        let port: PortSpec = serde_json::from_str(text).unwrap();
        assert!(port.is_secured && port.security_group_ids.is_none() && port.limits.is_none());
        let again = serde_json::to_value(&port).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap(), "nothing an older agent must skip");
    }
}
