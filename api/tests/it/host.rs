//! Hosts and enrolment tokens.

use crate::agent_link::world::enrolled_host;
use crate::world::{Api, fault};
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

#[sqlx::test(migrations = "../store/migrations")]
async fn hosts_are_shown_disabled_and_deleted(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let id = enrolled_host(&api, "host-1").await;
    let at = format!("hosts/{id}");
    let host = api.system(Method::GET, &at, None).await.must(200);
    assert_eq!((host["name"].as_str(), host["state"].as_str()), (Some("host-1"), Some("enabled")));
    assert_eq!((host["reachable"].as_bool(), host["architecture"].as_str()), (Some(true), Some("x86_64")));
    assert_eq!(host["capacity"], json!({"vcpus": 512, "memory_mib": 65536, "disk_gib": 1000}));
    assert_eq!(host["used"], json!({"vcpus": 0, "memory_mib": 0, "disk_gib": 0}));
    let update = |body| api.system(Method::PATCH, &at, Some(body));
    assert_eq!(update(json!({"state": "disabled"})).await.must(200)["state"], "disabled");
    assert_eq!(update(json!({"state": "asleep"})).await.fault().0, "/state");
    let list = api.system(Method::GET, "hosts?name=host-1", None).await.must(200);
    assert_eq!(list["items"][0]["state"], "disabled");
    let nowhere = format!("hosts/{}", Uuid::now_v7());
    api.system(Method::PATCH, &nowhere, Some(json!({"state": "disabled"}))).await.problem("not-found", 404);

    update(json!({"state": "enabled"})).await.must(200);
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    crate::agent_link::world::place(&api, instance, id).await;
    api.system(Method::DELETE, &at, None).await.problem("conflict", 409);
    let shown = api.system(Method::GET, &at, None).await.must(200);
    assert_eq!((&shown["instances"], &shown["used"]["memory_mib"]), (&json!(1), &json!(64)));
    // Only an operator learns where an instance is.
    let path = api.at(&format!("instances/{instance}"));
    assert!(api.call(Method::GET, &path, Some(&api.member), None).await.must(200).get("host_id").is_none());
    crate::agent_link::world::vanish(&api, instance).await;
    api.system(Method::DELETE, &at, None).await.must(204);
    api.system(Method::DELETE, &at, None).await.problem("not-found", 404);
}

#[sqlx::test(migrations = "../store/migrations")]
async fn tokens_are_shown_once(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let body = json!({"host_name": "host-1.lome.example", "valid_s": 60});
    let made = api.system(Method::POST, "enrolment-tokens", Some(body)).await.must(201);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("iroko-enrol-") && token.ends_with(api.app().authority.fingerprint()), "{token}");
    let list = api.system(Method::GET, "enrolment-tokens", None).await;
    assert!(!list.text.contains(token) && list.must(200)["items"][0].get("token").is_none());
    assert_eq!(list.json()["items"][0]["used_by"], json!([]));
    let bad = json!({"host_name": "Host 1", "valid_s": 59});
    let faults = api.system(Method::POST, "enrolment-tokens", Some(bad)).await.faults();
    assert_eq!(faults, [fault("/host_name", "host_name_form"), fault("/valid_s", "valid_range")]);
    let at = format!("enrolment-tokens/{}", made["id"].as_str().unwrap());
    api.system(Method::DELETE, &at, None).await.must(204);
    api.system(Method::DELETE, &at, None).await.problem("not-found", 404);
}
