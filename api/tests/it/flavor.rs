//! Flavors.

use crate::agent_link::world::{Agent, place};
use crate::world::{Api, fault};
use iroko_model::InstanceId;
use iroko_model::port::PortLimits;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn flavors_are_made_shown_and_deleted() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let body = json!({"name": "small", "vcpus": 2, "memory_mib": 512, "disk_gib": 10, "labels": {"class": "a"}});
    let made = api.system(Method::POST, "flavors", Some(body.clone())).await.must(201);
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/flavors/{id}");
    let shown = api.call(Method::GET, &path, Some(&api.member), None).await.must(200);
    assert_eq!(shown, made);
    for (key, value) in body.as_object().unwrap() {
        assert_eq!(&shown[key], value);
    }
    let list = api.call(Method::GET, "/v1/flavors", Some(&api.stranger), None).await.must(200);
    assert_eq!(list["items"], json!([made]));
    api.system(Method::POST, "flavors", Some(body)).await.problem("conflict", 409);
    let bad = json!({"name": "", "vcpus": 0, "memory_mib": 15, "disk_gib": 1048577});
    let faults = api.system(Method::POST, "flavors", Some(bad)).await.faults();
    let range = |pointer| fault(pointer, "size_range");
    assert_eq!(faults, [range("/disk_gib"), range("/memory_mib"), fault("/name", "name_empty"), range("/vcpus")]);
    api.system(Method::DELETE, &format!("flavors/{id}"), None).await.must(204);
    api.system(Method::DELETE, &format!("flavors/{id}"), None).await.problem("not-found", 404);
    api.call(Method::GET, &path, Some(&api.member), None).await.problem("not-found", 404);
}

/// A flavor named `limited` with these network limits.
fn limited(limits: &Value) -> Value {
    json!({"name": "limited", "vcpus": 1, "memory_mib": 64, "disk_gib": 1, "network_limits": limits})
}

#[tokio::test]
async fn network_limits_of_a_flavor_are_checked_and_shown() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let wrong =
        json!({"ingress_kbit_s": 0, "egress_kbit_s": -1, "ingress_packets_s": 100_000_001, "egress_packets_s": 1});
    let problem = api.system(Method::POST, "flavors", Some(limited(&wrong))).await;
    let range = |field| fault(&format!("/network_limits/{field}"), "limit_range");
    assert_eq!(problem.faults(), [range("egress_kbit_s"), range("ingress_kbit_s"), range("ingress_packets_s")]);
    let unknown = api.system(Method::POST, "flavors", Some(limited(&json!({"kbit_s": 1})))).await;
    assert_eq!(unknown.fault(), fault("/network_limits/kbit_s", "field_unknown"));
    let limits = json!({"ingress_kbit_s": 100_000_000, "egress_packets_s": 1});
    let made = api.system(Method::POST, "flavors", Some(limited(&limits))).await.must(201);
    assert_eq!(made["network_limits"], limits);
    let shown = api.call(Method::GET, "/v1/flavors", Some(&api.member), None).await.must(200);
    assert_eq!(shown["items"], json!([made]));
    let free = api.flavor("free").await;
    let shown = api.call(Method::GET, &format!("/v1/flavors/{free}"), Some(&api.member), None).await.must(200);
    assert_eq!(shown["network_limits"], json!({}), "nothing is limited");
}

#[tokio::test]
async fn a_host_holds_a_machine_to_the_limits_it_was_made_with() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, mut net) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let mut ground = api.ground("10.0.0.0/24").await;
    let limits = json!({"ingress_kbit_s": 10, "egress_kbit_s": 20, "ingress_packets_s": 30, "egress_packets_s": 40});
    ground.flavor = api.system(Method::POST, "flavors", Some(limited(&limits))).await.made();
    let made = api.post("instances", ground.request("vm")).await.must(201);
    assert_eq!(made["network_limits"], limits);
    // Another flavor in the place of the first is for machines made from then on.
    api.system(Method::DELETE, &format!("flavors/{}", ground.flavor), None).await.must(204);
    ground.flavor = api.system(Method::POST, "flavors", Some(limited(&json!({"egress_kbit_s": 7})))).await.made();
    let old: InstanceId = made["id"].as_str().unwrap().parse().unwrap();
    let new = api.instance(&ground).await;
    for id in [old, new] {
        place(&api, id, net.host()).await;
    }
    let still = api.get(&format!("instances/{old}")).await.must(200);
    assert_eq!(still["network_limits"], limits);
    let listed = api.get("instances").await.must(200);
    assert_eq!(listed["items"][0]["network_limits"], limits);
    assert!(net.watch().await.full);
    let told = |id| net.desired.ports.values().find(|port| port.instance_id == id).unwrap().limits;
    let first = PortLimits {
        ingress_kbit_s: Some(10),
        egress_kbit_s: Some(20),
        ingress_packets_s: Some(30),
        egress_packets_s: Some(40),
    };
    assert_eq!(told(old), first);
    assert_eq!(told(new), PortLimits { egress_kbit_s: Some(7), ..PortLimits::default() });
}
