//! Address sets.

use crate::world::{Api, fault};
use iroko_test_database::database;
use reqwest::Method;
use reqwest::header::{ETAG, IF_MATCH};
use serde_json::{Value, json};

#[tokio::test]
async fn a_set_is_replaced_as_a_whole_by_who_has_seen_it() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let cidrs = json!(["198.51.100.0/24", "2001:db8::/32"]);
    let set =
        api.post("address-sets", json!({"name": "offices", "cidrs": cidrs, "labels": {"a": "1"}})).await.must(201);
    let at = format!("address-sets/{}", set["id"].as_str().unwrap());
    let answer = api.get(&at).await;
    assert_eq!((answer.must(200), &set["cidrs"]), (set.clone(), &cidrs));
    let tag = answer.headers[ETAG].to_str().unwrap().to_owned();
    let change = async |tag: &str, body: Value| {
        let request = api.request(Method::PATCH, &api.at(&at)).bearer_auth(&api.member).header(IF_MATCH, tag);
        api.send(request.json(&body)).await
    };
    let changed = change(&tag, json!({"cidrs": ["203.0.113.0/24"]})).await.must(200);
    assert_eq!(
        (&changed["cidrs"], &changed["name"], &changed["generation"]),
        (&json!(["203.0.113.0/24"]), &json!("offices"), &json!(2))
    );
    change(&tag, json!({"cidrs": []})).await.problem("precondition-failed", 412);
    assert_eq!(api.get(&at).await.must(200), changed, "what came too late changed nothing");
    assert_eq!(api.get("address-sets?label=a=1").await.must(200)["items"], json!([changed]));
    assert_eq!(api.get("address-sets?name=x").await.must(200)["items"], json!([]));
    api.post("address-sets", json!({"name": "offices", "cidrs": []})).await.problem("conflict", 409);
    // Not while a rule refers to it.
    let group = api.post("security-groups", json!({"name": "g"})).await.made();
    let rules = format!("security-groups/{group}/rules");
    let body = json!({"direction": "ingress", "ethertype": "ipv4", "remote_address_set_id": set["id"]});
    let rule = api.post(&rules, body).await.made();
    let used = api.delete(&at).await.problem("conflict", 409);
    assert!(used["detail"].as_str().unwrap().starts_with("1 security groups have rules"), "{used}");
    api.delete(&format!("{rules}/{rule}")).await.must(204);
    api.delete(&at).await.must(204);
    api.delete(&at).await.problem("not-found", 404);
}

#[tokio::test]
async fn ranges_are_checked_one_by_one() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let body = json!({"name": "", "cidrs": ["10.0.0.0/8", "10.0.0.1/8", "x", "10.0.0.0/8"], "description": "a\nb"});
    let wanted = [
        fault("/cidrs/1", "cidr_host_bits"),
        fault("/cidrs/2", "cidr_form"),
        fault("/cidrs/3", "cidr_twice"),
        fault("/description", "description_form"),
        fault("/name", "name_empty"),
    ];
    assert_eq!(api.post("address-sets", body).await.faults(), wanted);
    let many: Vec<String> = (0..1001).map(|n| format!("10.0.{}.{}/32", n / 256, n % 256)).collect();
    let refused = api.post("address-sets", json!({"name": "s", "cidrs": many})).await;
    assert_eq!(refused.fault(), fault("/cidrs", "cidrs_too_many"));
    api.post("address-sets", json!({"name": "s", "cidrs": many[..1000]})).await.made();
}
