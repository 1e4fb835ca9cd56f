//! Networks and subnets.

use crate::world::{Api, fault};
use iroko_test_database::database;
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn networks_and_subnets_are_made_shown_and_deleted() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.network.underlay_mtu = 9000).await;
    let network = api.post("networks", json!({"name": "Archives de l'état"})).await.must(201);
    assert_eq!(network["mtu"], 8950, "room for the VXLAN headers");
    assert!(network.get("vni").is_none(), "how it is carried is not the tenant's business");
    let id = network["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("networks/{id}")).await.must(200), network);
    let body = json!({"network_id": id, "name": "v4", "cidr": "10.20.0.0/24", "dns_servers": ["9.9.9.9"]});
    let subnet = api.post("subnets", body).await.must(201);
    for (key, value) in [
        ("gateway_ip", json!("10.20.0.1")),
        ("service_ip", json!("10.20.0.2")),
        ("allocation_pools", json!([{"start": "10.20.0.3", "end": "10.20.0.254"}])),
        ("dns_servers", json!(["9.9.9.9"])),
    ] {
        assert_eq!(subnet[key], value, "{key}");
    }
    let at = format!("subnets/{}", subnet["id"].as_str().unwrap());
    assert_eq!(api.get(&at).await.must(200), subnet);
    let other = api.network("10.20.0.0/24").await;
    assert_eq!(api.get("networks").await.must(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("subnets").await.must(200)["items"].as_array().unwrap().len(), 2, "ranges of two networks");
    assert_eq!(api.get(&format!("subnets?network_id={id}")).await.must(200)["items"], json!([subnet]));
    assert_eq!(api.get(&format!("subnets?network_id={}", Uuid::now_v7())).await.must(200)["items"], json!([]));

    api.delete(&format!("networks/{id}")).await.problem("conflict", 409);
    let port = api.post("ports", json!({"network_id": id, "name": "p"})).await.made();
    api.delete(&at).await.problem("conflict", 409);
    api.delete(&format!("ports/{port}")).await.must(204);
    api.delete(&at).await.must(204);
    api.delete(&at).await.problem("not-found", 404);
    api.delete(&format!("networks/{id}")).await.must(204);
    api.delete(&format!("networks/{id}")).await.problem("not-found", 404);
    api.get(&format!("networks/{other}")).await.must(200);
}

#[tokio::test]
async fn ranges_are_checked_with_pointers_and_rules() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let network = api.network("10.0.0.0/16").await;
    for (fields, pointer, rule) in [
        (json!({"cidr": "10.1.0.1/24"}), "/cidr", "cidr_host_bits"),
        (json!({"cidr": "10.1.0.0/30"}), "/cidr", "cidr_size"),
        (json!({"cidr": "10.1.0.0"}), "/cidr", "cidr_form"),
        (json!({"cidr": "169.254.0.0/16"}), "/cidr", "cidr_reserved"),
        (json!({"cidr": "fd00::/48"}), "/cidr", "cidr_size"),
        (json!({"cidr": "10.1.0.0/24", "gateway_ip": "10.2.0.1"}), "/gateway_ip", "gateway_outside"),
        (json!({"cidr": "10.1.0.0/24", "gateway_ip": "x"}), "/gateway_ip", "address_form"),
        (json!({"cidr": "10.1.0.0/24", "dns_servers": ["9.9.9.9", "dns"]}), "/dns_servers", "address_form"),
        (json!({"cidr": "10.1.0.0/24", "dns_servers": ["0.0.0.0"]}), "/dns_servers", "dns_no_host"),
        (json!({"cidr": "10.1.0.0/24", "dns_servers": ["10.1.0.2"]}), "/dns_servers", "dns_own"),
        (
            json!({"cidr": "10.1.0.0/24", "dns_servers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]}),
            "/dns_servers",
            "dns_too_many",
        ),
        (json!({"cidr": "10.1.0.0/24", "network_id": Uuid::now_v7()}), "/network_id", "reference_not_found"),
    ] {
        let mut body = json!({"network_id": network, "name": "s"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(api.post("subnets", body.clone()).await.fault(), fault(pointer, rule), "{body}");
    }
    let overlap = api.post("subnets", json!({"network_id": network, "name": "s", "cidr": "10.0.4.0/24"})).await;
    let detail = overlap.problem("conflict", 409)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("10.0.4.0/24 overlaps"), "{detail}");
    let bad = api.get("subnets?network_id=x").await;
    assert_eq!(bad.fault(), fault("network_id", "value_type"));
}
