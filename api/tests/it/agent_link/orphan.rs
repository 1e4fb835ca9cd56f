//! What a host has and the database does not know: kept, shown, adopted or removed. What the database knows to be
//! deleted is told to be gone.

use super::world::{Agent, place, vanish};
use crate::world::{Api, fault};
use iroko_agent_wire::{AgentKind, Change, Object, ObjectKey, OrphanObservation, Report};
use iroko_model::InstanceId;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

fn orphan(instance_id: InstanceId) -> OrphanObservation {
    let (port_id, network_id, spec) = (None, None, None);
    OrphanObservation { instance_id, port_id, network_id, is_there: true, is_running: true, spec }
}

async fn tell(agent: &Agent, kind: AgentKind, sequence: i64, orphans: Vec<OrphanObservation>) {
    agent.link.report(&Report { orphans, ..Report::heartbeat(kind, 1, sequence) }).await.unwrap();
}

async fn orphans(api: &Api) -> Vec<Value> {
    api.system(Method::GET, "orphans", None).await.must(200)["items"].as_array().unwrap().clone()
}

/// Whether the agent is told within its next answers that this is gone.
async fn is_told_gone(agent: &mut Agent, key: ObjectKey) -> bool {
    for _ in 0..4 {
        let reply = agent.watch().await;
        if reply.changes.contains(&Change::Gone(key)) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_was_deleted_is_told_to_be_gone() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (mut compute, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    place(&api, id, compute.host()).await;
    net.watch().await;
    let port = *net.desired.ports.keys().next().unwrap();
    let network_id = Some(net.desired.ports[&port].network_id);
    vanish(&api, id).await;
    // The host comes back with a disk of yesterday.
    compute.watch().await;
    net.watch().await;
    tell(&compute, AgentKind::Compute, 1, vec![orphan(id)]).await;
    assert!(is_told_gone(&mut compute, ObjectKey::Instance(id)).await);
    tell(&net, AgentKind::Net, 1, vec![OrphanObservation { port_id: Some(port), network_id, ..orphan(id) }]).await;
    assert!(is_told_gone(&mut net, ObjectKey::Port(port)).await);
    assert!(orphans(&api).await.is_empty(), "nothing for an operator to do");
}

#[tokio::test]
async fn what_is_not_known_is_kept_until_an_operator_says() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (mut compute, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    place(&api, id, compute.host()).await;
    compute.watch().await;
    net.watch().await;
    let spec = compute.desired.instances[&id].clone();
    let (port, network) = (spec.nics[0].port_id, spec.nics[0].network_id);
    let address = spec.nics[0].addresses[0].address.ip().to_string();
    // The database is one of before the instance was made.
    for forget in [
        "DELETE FROM ip_allocation",
        "DELETE FROM port_security_group",
        "DELETE FROM port",
        "DELETE FROM instance_host",
        "DELETE FROM instance",
    ] {
        sqlx::query(forget).execute(api.store.pool()).await.unwrap();
    }
    let told = OrphanObservation { spec: Some(spec), ..orphan(id) };
    tell(&compute, AgentKind::Compute, 1, vec![told.clone(), orphan(InstanceId::new())]).await;
    let of_port = OrphanObservation { port_id: Some(port), network_id: Some(network), ..orphan(id) };
    tell(&net, AgentKind::Net, 1, vec![of_port]).await;
    let seen = orphans(&api).await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    let shown = seen.iter().find(|one| one["id"] == json!(id)).unwrap();
    assert_eq!(
        (&shown["hostname"], &shown["running"], &shown["host_name"]),
        (&json!("vm"), &json!(true), &json!("host-1"))
    );
    assert_eq!(shown["ip_addresses"], json!([address]));
    // Adopted: as it was.
    let at = format!("hosts/{}/orphans/{id}/adopt", compute.host());
    let adopt = async |body: Value| api.system(Method::POST, &at, Some(body)).await;
    assert_eq!(adopt(json!({"project_id": Uuid::now_v7()})).await.fault(), fault("/project_id", "reference_not_found"));
    let foreign = adopt(json!({"project_id": api.other})).await;
    assert!(foreign.problem("conflict", 409)["detail"].as_str().unwrap().contains("does not have the network"));
    // A host that says that it was made of a stranger's image does not get that image's bytes.
    let of = async |project: Uuid| {
        let query = sqlx::query("UPDATE image SET project_id = $1").bind(project);
        query.execute(api.store.pool()).await.unwrap();
    };
    of(api.other.as_uuid()).await;
    let foreign = adopt(json!({"project_id": api.project})).await;
    assert!(foreign.problem("conflict", 409)["detail"].as_str().unwrap().contains("is of another project"));
    of(api.project.as_uuid()).await;
    let adopted = adopt(json!({"project_id": api.project, "name": "back again"})).await.must(201);
    assert_eq!((&adopted["id"], &adopted["name"]), (&json!(id), &json!("back again")));
    assert_eq!(adopted["interfaces"][0]["ip_addresses"], json!([address]));
    let mut wanted = false;
    for _ in 0..4 {
        wanted |= compute
            .watch()
            .await
            .changes
            .iter()
            .any(|change| matches!(change, Change::Set(Object::Instance(spec)) if spec.id == id));
        if wanted {
            break;
        }
    }
    assert!(wanted, "its host is told that it is wanted");
    adopt(json!({"project_id": api.project})).await.problem("not-found", 404);
    // The other one is removed.
    let left = orphans(&api).await;
    assert_eq!(left.len(), 1);
    let other: InstanceId = left[0]["id"].as_str().unwrap().parse().unwrap();
    let at = format!("hosts/{}/orphans/{other}", compute.host());
    api.system(Method::DELETE, &at, None).await.must(202);
    assert!(is_told_gone(&mut compute, ObjectKey::Instance(other)).await);
    tell(&compute, AgentKind::Compute, 2, vec![OrphanObservation { is_there: false, ..orphan(other) }]).await;
    assert!(orphans(&api).await.is_empty());
}

#[tokio::test]
async fn what_two_hosts_have_stands_twice_whatever_the_pages() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let id = InstanceId::new();
    for (host, vtep) in [("host-1", "192.0.2.1"), ("host-2", "192.0.2.2")] {
        let (compute, _) = Agent::pair(&api, host, vtep).await;
        tell(&compute, AgentKind::Compute, 1, vec![orphan(id)]).await;
    }
    let (mut hosts, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.system(Method::GET, &format!("orphans?limit=1{after}"), None).await.must(200);
        hosts.extend(page["items"].as_array().unwrap().iter().map(|item| item["host_id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        after = format!("&cursor={cursor}");
    }
    assert!(hosts.len() == 2 && hosts[0] != hosts[1], "{hosts:?}");
}
