//! QoS policies.

use crate::agent_link::watch::catch_up;
use crate::agent_link::world::{Agent, place};
use crate::world::{Api, fault};
use iroko_agent_wire::{Change, Object};
use iroko_model::InstanceId;
use iroko_model::port::PortLimits;
use iroko_test_database::database;
use reqwest::Method;
use reqwest::header::{ETAG, IF_MATCH};
use serde_json::{Value, json};

async fn patch(api: &Api, at: &str, body: Value) -> crate::world::Answer {
    api.call(Method::PATCH, &api.at(at), Some(&api.member), Some(body)).await
}

async fn policy(api: &Api, name: &str, limits: Value) -> String {
    api.post("qos-policies", json!({"name": name, "network_limits": limits})).await.made()
}

#[tokio::test]
async fn a_policy_is_made_changed_and_deleted_when_no_port_has_it() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let body = json!({"name": "archive", "description": "at night", "labels": {"a": "1"},
        "network_limits": {"egress_kbit_s": 20000, "ingress_packets_s": 10}});
    let made = api.post("qos-policies", body.clone()).await.must(201);
    for (key, value) in body.as_object().unwrap() {
        assert_eq!(&made[key], value);
    }
    let at = format!("qos-policies/{}", made["id"].as_str().unwrap());
    let shown = api.get(&at).await;
    assert_eq!(shown.must(200), made);
    let tag = shown.headers[ETAG].to_str().unwrap().to_owned();
    let change = async |body: Value| {
        let request = api.request(Method::PATCH, &api.at(&at)).bearer_auth(&api.member).header(IF_MATCH, &tag);
        api.send(request.json(&body)).await
    };
    let changed = change(json!({"network_limits": {"ingress_kbit_s": 5}})).await.must(200);
    assert_eq!(changed["network_limits"], json!({"ingress_kbit_s": 5}), "all four are replaced");
    assert_eq!((&changed["name"], &changed["generation"]), (&json!("archive"), &json!(2)));
    change(json!({"name": "late"})).await.problem("precondition-failed", 412);
    let renamed = patch(&api, &at, json!({"name": "backup"})).await.must(200);
    assert_eq!(renamed["network_limits"], json!({"ingress_kbit_s": 5}), "what is absent stays");
    assert_eq!(api.get("qos-policies?label=a=1").await.must(200)["items"], json!([renamed]));
    assert_eq!(api.get("qos-policies?name=archive").await.must(200)["items"], json!([]));
    api.post("qos-policies", json!({"name": "backup", "network_limits": {}})).await.problem("conflict", 409);
    let network = api.network("10.0.0.0/24").await;
    let port = json!({"network_id": network, "name": "p", "qos_policy_id": made["id"]});
    let port = api.post("ports", port).await.must(201);
    assert_eq!(port["network_limits"], json!({"ingress_kbit_s": 5}), "a port that stands alone has its policy's");
    let used = api.delete(&at).await.problem("conflict", 409);
    assert_eq!(used["detail"], "1 ports have this policy; give them another, or none, first");
    let port = format!("ports/{}", port["id"].as_str().unwrap());
    let freed = patch(&api, &port, json!({"qos_policy_id": null})).await.must(200);
    assert_eq!((&freed["qos_policy_id"], &freed["network_limits"]), (&Value::Null, &json!({})));
    api.delete(&at).await.must(204);
    api.delete(&at).await.problem("not-found", 404);
    patch(&api, &at, json!({"network_limits": {}})).await.problem("not-found", 404);
}

#[tokio::test]
async fn only_a_policy_of_the_project_with_limits_that_are_some() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let wrong = json!({"name": "", "network_limits": {"egress_kbit_s": 0, "ingress_packets_s": 100_000_001}});
    let limit = |field| fault(&format!("/network_limits/{field}"), "limit_range");
    let wanted = [fault("/name", "name_empty"), limit("egress_kbit_s"), limit("ingress_packets_s")];
    assert_eq!(api.post("qos-policies", wrong.clone()).await.faults(), wanted);
    assert_eq!(api.post("qos-policies", json!({"name": "q"})).await.fault(), fault("/network_limits", "field_missing"));
    let own = policy(&api, "own", json!({})).await;
    assert_eq!(patch(&api, &format!("qos-policies/{own}"), wrong).await.faults(), wanted);
    let theirs = format!("/v1/projects/{}/qos-policies", api.other);
    let theirs = api.call(Method::POST, &theirs, Some(&api.stranger), Some(json!({"name": "q", "network_limits": {}})));
    let theirs = theirs.await.made();
    let ground = api.ground("10.0.0.0/24").await;
    let unknown = fault("/qos_policy_id", "reference_not_found");
    let port = json!({"network_id": ground.network, "name": "p", "qos_policy_id": theirs});
    assert_eq!(api.post("ports", port).await.fault(), unknown);
    let port = api.post("ports", json!({"network_id": ground.network, "name": "p"})).await.made();
    let taken = patch(&api, &format!("ports/{port}"), json!({"qos_policy_id": theirs})).await;
    assert_eq!(taken.fault(), unknown);
    let mut request = ground.request("vm");
    request["interfaces"][0]["qos_policy_id"] = json!(theirs);
    let refused = api.post("instances", request.clone()).await;
    assert_eq!(refused.fault(), fault("/interfaces/0/qos_policy_id", "reference_not_found"));
    request["interfaces"] = json!([{"port_id": port, "qos_policy_id": own}]);
    assert_eq!(api.post("instances", request).await.fault(), fault("/interfaces/0/qos_policy_id", "policy_of_port"));
}

/// What a host is told of a machine's port, and what the API shows of it.
async fn both(api: &Api, net: &Agent, id: InstanceId) -> (PortLimits, Value) {
    let shown = api.get(&format!("ports?instance_id={id}")).await.must(200)["items"][0]["network_limits"].clone();
    (net.desired.ports.values().find(|port| port.instance_id == id).unwrap().limits, shown)
}

#[tokio::test]
async fn the_smaller_of_policy_and_flavor_reaches_the_hosts_concerned() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (_, mut other) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    let mut ground = api.ground("10.0.0.0/24").await;
    let limits = json!({"ingress_kbit_s": 100, "egress_kbit_s": 200});
    let flavor = json!({"name": "limited", "vcpus": 1, "memory_mib": 64, "disk_gib": 1, "network_limits": limits});
    ground.flavor = api.system(Method::POST, "flavors", Some(flavor)).await.made();
    let q = policy(&api, "q", json!({"ingress_kbit_s": 1000, "egress_kbit_s": 20, "egress_packets_s": 30})).await;
    let mut request = ground.request("vm");
    request["interfaces"][0]["qos_policy_id"] = json!(q);
    let under = api.post("instances", request).await.made().parse().unwrap();
    let free = api.instance(&ground).await;
    place(&api, under, net.host()).await;
    place(&api, free, other.host()).await;
    for agent in [&mut net, &mut other] {
        catch_up(&api, agent).await;
    }
    let smaller = PortLimits {
        ingress_kbit_s: Some(100),
        egress_kbit_s: Some(20),
        egress_packets_s: Some(30),
        ..PortLimits::default()
    };
    assert_eq!(both(&api, &net, under).await, (smaller, json!(smaller)));
    let of_flavor = PortLimits { ingress_kbit_s: Some(100), egress_kbit_s: Some(200), ..PortLimits::default() };
    assert_eq!(both(&api, &other, free).await, (of_flavor, json!(of_flavor)));
    // A change of the policy is told at once, of its port only.
    patch(&api, &format!("qos-policies/{q}"), json!({"network_limits": {"ingress_kbit_s": 7}})).await.must(200);
    let reply = net.watch().await;
    let port = |change: &Change| matches!(change, Change::Set(Object::Port(port)) if port.instance_id == under);
    assert!(!reply.full && reply.changes.len() == 1 && port(&reply.changes[0]), "{reply:?}");
    let narrowed = PortLimits { ingress_kbit_s: Some(7), ..of_flavor };
    assert_eq!(both(&api, &net, under).await, (narrowed, json!(narrowed)));
    // Another name is nobody's business; then the port loses its policy.
    patch(&api, &format!("qos-policies/{q}"), json!({"name": "r"})).await.must(200);
    let port = api.get(&format!("ports?instance_id={under}")).await.must(200)["items"][0]["id"].clone();
    let before = api.get(&format!("ports/{}", port.as_str().unwrap())).await.must(200)["generation"].clone();
    assert_eq!(before, json!(2), "the new name changed no port");
    patch(&api, &format!("ports/{}", port.as_str().unwrap()), json!({"qos_policy_id": null})).await.must(200);
    net.watch().await;
    assert_eq!(both(&api, &net, under).await, (of_flavor, json!(of_flavor)));
    // Of all that the other host of the network heard nothing, until its own port takes the policy.
    let others = api.get(&format!("ports?instance_id={free}")).await.must(200)["items"][0]["id"].clone();
    patch(&api, &format!("ports/{}", others.as_str().unwrap()), json!({"qos_policy_id": q})).await.must(200);
    let reply = other.watch().await;
    let own = |change: &Change| matches!(change, Change::Set(Object::Port(port)) if port.instance_id == free);
    assert!(reply.changes.len() == 1 && own(&reply.changes[0]), "{reply:?}");
}
