//! Hosts of the tests: agents that have enrolled, and what a scheduler or a host would do.

use crate::world::Api;
use iroko_agent_link::{Desired, Identity, Link, LinkConfig};
use iroko_agent_wire::{AgentKind, DesiredReply, SessionRequest};
use iroko_model::host::Architecture;
use iroko_model::{HostId, InstanceId, Resources};
use iroko_store::{instance, placement};
use reqwest::Method;
use serde_json::json;
use std::path::Path;

/// An agent's link and who it is.
pub struct Agent {
    pub link: Link,
    pub identity: Identity,
    pub desired: Desired,
}

/// A new enrolment token.
pub async fn token(api: &Api, host_name: Option<&str>) -> String {
    let body = json!({"host_name": host_name});
    let made = api.system(Method::POST, "enrolment-tokens", Some(body)).await.must(201);
    made["token"].as_str().unwrap().to_owned()
}

pub fn url(api: &Api) -> String {
    format!("https://{}", api.agents())
}

pub fn config(api: &Api, host_name: &str, state_dir: &Path, token: Option<String>) -> LinkConfig {
    let (host_name, state_dir) = (host_name.to_owned(), state_dir.to_owned());
    LinkConfig { control_plane: url(api), host_name, state_dir, enrolment_token: token }
}

pub async fn enrol(api: &Api, kind: AgentKind, host_name: &str, token: &str) -> Identity {
    let config = config(api, host_name, Path::new("/nowhere"), Some(token.to_owned()));
    Identity::enrol(&config, kind).await.unwrap()
}

/// What an agent of a large host says of it.
pub fn session(agent: AgentKind, vtep: &str) -> SessionRequest {
    let is_compute = agent == AgentKind::Compute;
    let capacity = Resources { vcpus: 512, memory_mib: 65536, disk_gib: 1000 };
    SessionRequest {
        agent,
        version: "test".into(),
        architecture: is_compute.then_some(Architecture::X86_64),
        capacity: is_compute.then_some(capacity),
        vtep: (!is_compute).then(|| vtep.parse().unwrap()),
        underlay_mtu: (!is_compute).then_some(1500),
    }
}

impl Agent {
    pub async fn enrolled(api: &Api, kind: AgentKind, host_name: &str, token: &str, vtep: &str) -> Self {
        let identity = enrol(api, kind, host_name, token).await;
        let link = Link::new(&url(api), kind, &identity).unwrap();
        link.session(&session(kind, vtep)).await.unwrap();
        Self { link, identity, desired: Desired::default() }
    }

    /// Both agents of a new host.
    pub async fn pair(api: &Api, host_name: &str, vtep: &str) -> (Self, Self) {
        let token = token(api, None).await;
        let compute = Self::enrolled(api, AgentKind::Compute, host_name, &token, vtep).await;
        let net = Self::enrolled(api, AgentKind::Net, host_name, &token, vtep).await;
        (compute, net)
    }

    pub fn host(&self) -> HostId {
        self.identity.host_id
    }

    /// Takes one answer of the watch.
    pub async fn watch(&mut self) -> DesiredReply {
        let reply = self.link.desired(&self.desired.revision).await.unwrap();
        self.desired.apply(&reply);
        reply
    }
}

/// A host with both agents in a session.
pub async fn enrolled_host(api: &Api, name: &str) -> HostId {
    Agent::pair(api, name, "192.0.2.1").await.0.host()
}

/// What the scheduler does.
pub async fn place(api: &Api, id: InstanceId, host: HostId) {
    let mut tx = api.store.begin().await.unwrap();
    let placed = placement::placement_commit(&mut tx, &[(id, host)]).await.unwrap();
    assert_eq!(placed, [id], "placed on {host}");
    api.store.commit(tx).await.unwrap();
}

/// What a host's report of an instance's absence does, after its deletion.
pub async fn vanish(api: &Api, id: InstanceId) {
    let mut tx = api.store.begin().await.unwrap();
    instance::instance_delete(&mut tx, api.project, id).await.unwrap();
    instance::instance_finish_delete(&mut tx, &[id.as_uuid()]).await.unwrap();
    api.store.commit(tx).await.unwrap();
}
