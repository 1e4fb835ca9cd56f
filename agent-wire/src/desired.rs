//! The watch: what changed since a revision.

use crate::agent::AgentKind;
use crate::key::ObjectKey;
use crate::need::Need;
use crate::object::Object;
use iroko_model::InstanceId;
use serde::{Deserialize, Serialize};

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
    /// Instances whose console log somebody is waiting for; to be answered once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles_wanted: Vec<InstanceId>,
    /// In an agent's own file only: what it keeps though a full answer did not name it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Object>,
    /// In an agent's own file only: the release of the agent that wrote it, and the kinds of objects that it knew.
    /// An agent of another release may know what that one passed over.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub written_by: String,
}

/// One change. On the wire `{"set": {"kind": "port", "spec": {...}}}`, `{"gone": {"kind": "port", "id": "..."}}` or
/// `{"anew": {"kind": "members", "id": ["...", "..."]}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The object as it now is.
    Set(Object),
    /// The object is no longer wanted here.
    Gone(ObjectKey),
    /// The host starts to need this: all objects of it follow. Those held before are forgotten.
    Anew(Need),
}

impl Change {
    /// Name of the object that changed; `None` where it may be several.
    pub fn key(&self) -> Option<ObjectKey> {
        match self {
            Self::Set(object) => Some(object.key()),
            Self::Gone(key) => Some(*key),
            Self::Anew(_) => None,
        }
    }

    /// False for what this release passes over.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Set(Object::Unknown) | Self::Gone(ObjectKey::Unknown) | Self::Anew(Need::Unknown))
    }

    /// The agent that it is for.
    pub fn agent(&self) -> AgentKind {
        match self {
            Self::Set(object) => object.key().agent(),
            Self::Gone(key) => key.agent(),
            Self::Anew(need) => need.agent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PortSpec;
    use iroko_model::{AddressSetId, NetworkId, PortId, SecurityGroupId};

    #[test]
    fn kinds_of_a_newer_release_are_read_as_unknown() {
        let text = r#"{"revision":"r2","full":false,"new_field":1,"changes":[
            {"set":{"kind":"router","spec":{"id":"x","legs":[1,2]}}},
            {"gone":{"kind":"volume","id":"y"}},
            {"anew":{"kind":"router","id":["x"]}},
            {"gone":{"kind":"port","id":"0198c0de-0000-7000-8000-000000000001"}}]}"#;
        let reply: DesiredReply = serde_json::from_str(text).unwrap();
        let known: Vec<bool> = reply.changes.iter().map(Change::is_known).collect();
        assert_eq!(known, [false, false, false, true]);
        assert!(matches!(reply.changes[3].key(), Some(ObjectKey::Port(_))));
    }

    #[test]
    fn keys_and_needs_round_trip() {
        let gone = [
            ObjectKey::Instance(InstanceId::new()),
            ObjectKey::Network(NetworkId::new()),
            ObjectKey::Port(PortId::new()),
            ObjectKey::Peer(NetworkId::new(), PortId::new()),
            ObjectKey::SecurityGroup(SecurityGroupId::new()),
            ObjectKey::Member(SecurityGroupId::new(), PortId::new()),
            ObjectKey::AddressSet(AddressSetId::new()),
        ]
        .map(Change::Gone);
        let anew = [
            Need::Network(NetworkId::new()),
            Need::SecurityGroup(SecurityGroupId::new()),
            Need::Members(SecurityGroupId::new(), NetworkId::new()),
            Need::AddressSet(AddressSetId::new()),
        ]
        .map(Change::Anew);
        for change in gone.into_iter().chain(anew) {
            let text = serde_json::to_string(&change).unwrap();
            assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change, "{text}");
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
