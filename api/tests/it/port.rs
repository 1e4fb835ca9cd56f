//! Ports that stand alone, and those of instances.

use crate::world::{Api, fault};
use iroko_test_database::database;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinSet;
use uuid::Uuid;

#[tokio::test]
async fn ports_keep_their_address_through_instances() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/29").await;
    let port = api.post("ports", json!({"network_id": ground.network, "name": "db", "labels": {"a": "1"}})).await;
    let port = port.must(201);
    let id = port["id"].as_str().unwrap();
    assert_eq!((port["status"].as_str(), port["instance_id"].is_null()), (Some("pending"), true));
    assert!(port["mac_address"].as_str().unwrap().starts_with("02:"), "{port}");
    assert_eq!(api.get(&format!("ports/{id}")).await.must(200), port);

    let mut request = ground.request("vm");
    request["interfaces"] = json!([{"port_id": id}, {"network_id": ground.network}]);
    let instance = api.post("instances", request.clone()).await.must(201);
    let first = &instance["interfaces"][0];
    assert_eq!((&first["port_id"], &first["ip_addresses"]), (&port["id"], &port["ip_addresses"]));
    let own = instance["interfaces"][1]["port_id"].as_str().unwrap();
    for used in [id, own] {
        api.delete(&format!("ports/{used}")).await.problem("conflict", 409);
    }
    let again = api.post("instances", request).await;
    again.problem("conflict", 409);
    let machine = instance["id"].as_str().unwrap();
    let of_machine = api.get(&format!("ports?instance_id={machine}")).await.must(200);
    assert_eq!(of_machine["items"].as_array().unwrap().len(), 2);
    let elsewhere = api.get(&format!("ports?network_id={}", Uuid::now_v7())).await.must(200);
    assert_eq!(elsewhere["items"], json!([]));
    assert_eq!(api.get("ports?instance_id=x").await.fault(), fault("instance_id", "value_type"));

    api.delete(&format!("instances/{machine}")).await.must(202);
    api.get(&format!("ports/{own}")).await.problem("not-found", 404);
    let kept = api.get(&format!("ports/{id}")).await.must(200);
    assert_eq!((&kept["ip_addresses"], kept["instance_id"].is_null()), (&port["ip_addresses"], true));
    api.delete(&format!("ports/{id}")).await.must(204);
    api.delete(&format!("ports/{id}")).await.problem("not-found", 404);
}

#[tokio::test]
async fn a_full_network_says_so() {
    let (_database, connect) = database().await;
    let api = Arc::new(Api::start(&connect).await);
    let network = api.network("10.0.0.0/28").await;
    let mut makers = JoinSet::new();
    for _ in 0..20 {
        let (api, network) = (api.clone(), network.clone());
        makers.spawn(async move { api.post("ports", json!({"network_id": network, "name": "p"})).await });
    }
    let answers = makers.join_all().await;
    let made: HashSet<_> =
        answers.iter().filter(|a| a.status == 201).map(|a| a.json()["ip_addresses"][0].to_string()).collect();
    assert_eq!(made.len(), 12, "14 addresses, less gateway and service");
    for refused in answers.iter().filter(|a| a.status != 201) {
        let detail = refused.problem("exhausted", 409)["detail"].to_string();
        assert!(detail.contains("no free addresses"), "{detail}");
    }
    let missing = api.post("ports", json!({"network_id": Uuid::now_v7(), "name": "p"})).await;
    assert_eq!(missing.fault(), fault("/network_id", "reference_not_found"));
}
