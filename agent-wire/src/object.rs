//! Objects: one variant a kind.

use crate::address_set::AddressSetSpec;
use crate::agent::AgentKind;
use crate::instance::InstanceSpec;
use crate::key::{ObjectKey, Tagged, body};
use crate::kind::{Kind, Reference};
use crate::member::MemberSpec;
use crate::need::Need;
use crate::network::NetworkSpec;
use crate::peer::PeerSpec;
use crate::port::PortSpec;
use crate::security_group::SecurityGroupSpec;
use iroko_model::NetworkId;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;

/// A desired object. On the wire `{"kind": "port", "spec": {...}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "spec", rename_all = "snake_case")]
pub enum Object {
    /// For the compute-agent: an instance.
    Instance(Arc<InstanceSpec>),
    /// For the net-agent: a network that a port of the host is on.
    Network(Arc<NetworkSpec>),
    /// For the net-agent: a port on this host.
    Port(Arc<PortSpec>),
    /// For the net-agent: a port of one of its networks, on whatever host.
    Peer(Arc<PeerSpec>),
    /// For the net-agent: a security group that one of its ports is in.
    SecurityGroup(Arc<SecurityGroupSpec>),
    /// For the net-agent: a member of a group that a rule on this host refers to.
    Member(Arc<MemberSpec>),
    /// For the net-agent: an address set that a rule on this host refers to.
    AddressSet(Arc<AddressSetSpec>),
    /// One of a kind that this release does not know. An agent passes over it and asks for everything again once
    /// it is of a release that knows more ([`crate::DesiredReply::written_by`]).
    #[serde(skip_serializing)]
    Unknown,
}

impl Object {
    /// Names of the kinds that this release knows.
    pub const KINDS: [&str; 7] = ["instance", "network", "port", "peer", "security_group", "member", "address_set"];

    /// What its kind says of it; `None` for one that this release does not know.
    pub fn kind(&self) -> Option<&dyn Kind> {
        match self {
            Self::Instance(spec) => Some(spec.as_ref()),
            Self::Network(spec) => Some(spec.as_ref()),
            Self::Port(spec) => Some(spec.as_ref()),
            Self::Peer(spec) => Some(spec.as_ref()),
            Self::SecurityGroup(spec) => Some(spec.as_ref()),
            Self::Member(spec) => Some(spec.as_ref()),
            Self::AddressSet(spec) => Some(spec.as_ref()),
            Self::Unknown => None,
        }
    }

    /// Its name.
    pub fn key(&self) -> ObjectKey {
        self.kind().map_or(ObjectKey::Unknown, Kind::key)
    }

    /// The need that it is a part of; `None` for a root.
    pub fn part_of(&self) -> Option<Need> {
        self.kind().and_then(Kind::part_of)
    }

    /// What a host needs because it has this object ([`Kind::needs`]).
    pub fn needs(&self, on: Option<NetworkId>) -> Vec<Reference> {
        self.kind().map(|kind| kind.needs(on)).unwrap_or_default()
    }
}

impl ObjectKey {
    /// The agent that holds objects of this kind.
    pub const fn agent(&self) -> AgentKind {
        match self {
            Self::Instance(_) => AgentKind::Compute,
            Self::Network(_)
            | Self::Port(_)
            | Self::Peer(..)
            | Self::SecurityGroup(_)
            | Self::Member(..)
            | Self::AddressSet(_)
            | Self::Unknown => AgentKind::Net,
        }
    }
}

impl Need {
    /// The agent that needs it.
    pub const fn agent(&self) -> AgentKind {
        match self {
            Self::Network(_) | Self::SecurityGroup(_) | Self::Members(..) | Self::AddressSet(_) | Self::Unknown => {
                AgentKind::Net
            }
        }
    }
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
