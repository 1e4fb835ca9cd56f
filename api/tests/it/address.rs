//! Addresses of ports: fixed ones, pools of subnets, subnets without a gateway.

use crate::world::{Api, fault};
use iroko_test_database::database;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A network with a subnet.
async fn network(api: &Api, subnet: Value) -> (String, Value) {
    let network = api.post("networks", json!({"name": "net"})).await.made();
    let mut asked = json!({"network_id": network, "name": "sub"});
    asked.as_object_mut().unwrap().extend(subnet.as_object().unwrap().clone());
    let made = api.post("subnets", asked).await.must(201);
    (network, made)
}

#[tokio::test]
async fn ports_get_the_addresses_they_ask_for() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let v6 = json!({"network_id": ground.network, "name": "v6", "cidr": "fd00:1::/64"});
    api.post("subnets", v6).await.made();
    let port = |more: Value| {
        let mut asked = json!({"network_id": ground.network, "name": "p"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post("ports", asked)
    };
    let asked = json!({"ip_addresses": ["10.0.0.77"], "mac_address": "52:54:00:00:00:01"});
    let made = port(asked).await.must(201);
    assert_eq!(made["mac_address"], "52:54:00:00:00:01");
    assert_eq!(made["ip_addresses"][0], "10.0.0.77");
    assert!(made["ip_addresses"][1].as_str().unwrap().starts_with("fd00:1::"), "one of the other family: {made}");
    // What another port of the network has.
    let taken = async |more: Value, rule: &str| {
        assert_eq!(port(more).await.problem("conflict", 409)["rule"], rule);
    };
    taken(json!({"ip_addresses": ["fd00:1::9", "10.0.0.77"]}), "address_taken").await;
    taken(json!({"mac_address": "52:54:00:00:00:01"}), "mac_taken").await;
    assert_eq!(
        port(json!({"ip_addresses": ["fd00:1::9"]})).await.must(201)["ip_addresses"][1],
        "fd00:1::9",
        "nothing is left of the refusal"
    );
    for (more, pointer, rule) in [
        (json!({"ip_addresses": ["10.0.1.7"]}), "/ip_addresses/0", "address_outside"),
        (json!({"ip_addresses": ["10.0.0.255"]}), "/ip_addresses/0", "address_outside"),
        (json!({"ip_addresses": ["10.0.0.1"]}), "/ip_addresses/0", "address_reserved"),
        (json!({"ip_addresses": ["10.0.0.2"]}), "/ip_addresses/0", "address_reserved"),
        (json!({"ip_addresses": ["10.0.0.7", "10.0.0.8"]}), "/ip_addresses/1", "address_family_twice"),
        (json!({"mac_address": "01:00:5e:00:00:01"}), "/mac_address", "mac_no_port"),
        (json!({"mac_address": "06:69:6b:00:00:01"}), "/mac_address", "mac_reserved"),
    ] {
        assert_eq!(port(more).await.fault(), fault(pointer, rule));
    }
    assert_eq!(port(json!({"ip_addresses": ["ten"]})).await.fault().0, "/ip_addresses/0");
    assert_eq!(port(json!({"mac_address": "ten"})).await.fault().0, "/mac_address");
    // On another network both are free.
    let (other, _) = network(&api, json!({"cidr": "10.0.0.0/24"})).await;
    let asked =
        json!({"network_id": other, "name": "p", "ip_addresses": ["10.0.0.77"], "mac_address": "52:54:00:00:00:01"});
    api.post("ports", asked).await.made();

    // The same with an instance.
    let mut request = ground.request("web");
    request["interfaces"][0]["ip_addresses"] = json!(["10.0.0.80", "fd00:1::80"]);
    request["interfaces"][0]["mac_address"] = json!("52:54:00:00:00:02");
    let made = api.post("instances", request.clone()).await.must(201);
    assert_eq!(made["interfaces"][0]["ip_addresses"], json!(["10.0.0.80", "fd00:1::80"]));
    assert_eq!(made["interfaces"][0]["mac_address"], "52:54:00:00:00:02");
    let again = api.post("instances", request.clone()).await.problem("conflict", 409);
    assert_eq!(again["rule"], "mac_taken");
    request["interfaces"][0]["mac_address"] = Value::Null;
    assert_eq!(api.post("instances", request.clone()).await.problem("conflict", 409)["rule"], "address_taken");
    assert_eq!(api.get("instances?total=true").await.must(200)["total"], 1, "a refused one is not there");
    request["interfaces"][0]["ip_addresses"] = json!(["10.0.0.1"]);
    assert_eq!(
        api.post("instances", request.clone()).await.fault(),
        fault("/interfaces/0/ip_addresses/0", "address_reserved")
    );
    let own = api.post("ports", json!({"network_id": ground.network, "name": "own"})).await.made();
    request["interfaces"] = json!([{"port_id": own, "ip_addresses": ["10.0.0.90"]}]);
    assert_eq!(api.post("instances", request).await.fault(), fault("/interfaces/0", "addresses_of_port"));
}

#[tokio::test]
async fn addresses_come_from_the_pools_until_they_are_used_up() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let pools = json!([{"start": "10.0.0.200", "end": "10.0.0.201"}, {"start": "10.0.0.1", "end": "10.0.0.4"}]);
    let (network, subnet) = network(&api, json!({"cidr": "10.0.0.0/24", "allocation_pools": pools})).await;
    let sorted = json!([{"start": "10.0.0.1", "end": "10.0.0.4"}, {"start": "10.0.0.200", "end": "10.0.0.201"}]);
    assert_eq!(subnet["allocation_pools"], sorted);
    let port = async |more: Value| {
        let mut asked = json!({"network_id": network, "name": "p"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post("ports", asked).await
    };
    let any = async || port(json!({})).await;
    let mut given = BTreeSet::new();
    for _ in 0..4 {
        given.insert(any().await.must(201)["ip_addresses"][0].as_str().unwrap().to_owned());
    }
    // Neither the gateway nor the service, though a pool spans them.
    let expected = ["10.0.0.200", "10.0.0.201", "10.0.0.3", "10.0.0.4"].map(str::to_owned);
    assert_eq!(given, BTreeSet::from(expected));
    any().await.problem("exhausted", 409);
    // Outside the pools only who asks for it.
    assert_eq!(port(json!({"ip_addresses": ["10.0.0.50"]})).await.must(201)["ip_addresses"], json!(["10.0.0.50"]));
    let at = format!("subnets/{}", subnet["id"].as_str().unwrap());
    let path = api.at(&at);
    let patch = async |body: Value| api.call(reqwest::Method::PATCH, &path, Some(&api.member), Some(body)).await;
    let changed = patch(json!({"allocation_pools": [{"start": "10.0.0.60", "end": "10.0.0.60"}]})).await.must(200);
    assert_eq!(changed["allocation_pools"], json!([{"start": "10.0.0.60", "end": "10.0.0.60"}]));
    assert_eq!(any().await.must(201)["ip_addresses"], json!(["10.0.0.60"]));
    for (pools, rule) in [
        (json!([]), "pools_count"),
        (json!([{"start": "10.0.0.9", "end": "10.0.0.8"}]), "pool_outside"),
        (
            json!([{"start": "10.0.0.9", "end": "10.0.0.20"}, {"start": "10.0.0.20", "end": "10.0.0.21"}]),
            "pools_overlap",
        ),
        (json!([{"start": "ten", "end": "10.0.0.20"}]), "address_form"),
    ] {
        assert_eq!(patch(json!({"allocation_pools": pools})).await.fault(), fault("/allocation_pools", rule));
    }
}

#[tokio::test]
async fn a_subnet_may_have_no_gateway() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (network, subnet) = network(&api, json!({"cidr": "10.0.0.0/29", "gateway_ip": null})).await;
    assert_eq!((&subnet["gateway_ip"], &subnet["service_ip"]), (&Value::Null, &json!("10.0.0.1")));
    let asked = json!({"network_id": network, "name": "p", "ip_addresses": ["10.0.0.2"]});
    api.post("ports", asked).await.made();
    let at = format!("subnets/{}", subnet["id"].as_str().unwrap());
    let named = api.call(reqwest::Method::PATCH, &api.at(&at), Some(&api.member), Some(json!({"name": "other"}))).await;
    assert_eq!(named.must(200)["gateway_ip"], Value::Null);
}
