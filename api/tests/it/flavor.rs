//! Flavors.

use crate::world::{Api, fault};
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

#[sqlx::test(migrations = "../store/migrations")]
async fn flavors_are_made_shown_and_deleted(_: PgPoolOptions, connect: PgConnectOptions) {
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
