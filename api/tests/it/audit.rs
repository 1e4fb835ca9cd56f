//! The audit log: what is in it, who reads it, and that nobody changes it unnoticed.

use crate::world::{Api, PASSWORD, PATIENCE};
use iroko_api::service::audit::seal;
use iroko_audit::checkpoint::Verifier;
use iroko_audit::export::{ExportError, Verification, Verified};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;

/// The token of somebody who may read the first project's log.
async fn auditor(api: &Api) -> String {
    let organization: (sqlx::types::Uuid,) = sqlx::query_as("SELECT organization_id FROM project WHERE id = $1")
        .bind(api.project.as_uuid())
        .fetch_one(api.store.pool())
        .await
        .unwrap();
    let organization = organization.0.into();
    api.token("auditor", organization, Role::Auditor, Scope::Organization(organization)).await
}

/// Records of this path, once at least `count` are sealed.
async fn records(api: &Api, path: &str, token: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + PATIENCE;
    loop {
        let page = api.call(Method::GET, path, Some(token), None).await.must(200);
        let items = page["items"].as_array().unwrap();
        if items.len() >= count {
            return items.iter().map(|item| item["record"].clone()).collect();
        }
        assert!(Instant::now() < until, "only {} of {count} records: {page}", items.len());
        seal(api.app()).await.unwrap();
    }
}

async fn export(api: &Api, extends: u64) -> String {
    let answer = api.system(Method::GET, &format!("audit/export?extends={extends}"), None).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/jsonl".parse().unwrap()));
    answer.text
}

async fn verifier(api: &Api) -> Verifier {
    let checkpoint = api.call(Method::GET, "/v1/audit/checkpoint", Some(&api.member), None).await.must(200);
    Verifier::new(checkpoint["verifier_key"].as_str().unwrap()).unwrap()
}

fn verify(verifier: &Verifier, text: &str, earlier: Option<&str>) -> Result<Verified, ExportError> {
    let earlier = earlier.map(|text| {
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        verifier.open(line["note"].as_str().unwrap()).unwrap()
    });
    let mut verification = Verification::new(verifier, earlier.as_ref());
    text.lines().try_for_each(|line| verification.line(line))?;
    verification.finish()
}

#[tokio::test]
async fn every_change_is_recorded_and_every_refusal() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let mut request = ground.request("vm");
    request["user_data"] = json!("the secret of this machine");
    let id = api.post("instances", request).await.made();
    let stopped = api.act(&format!("instances/{id}/stop")).await;
    api.post("networks", json!({"name": ""})).await.problem("invalid", 422);
    api.delete(&format!("images/{}", ground.image)).await.problem("conflict", 409);
    api.get("instances").await.must(200);
    let path = api.at("audit/records");
    let auditor = auditor(&api).await;
    let all = records(&api, &path, &auditor, 8).await;
    let told: Vec<_> = all.iter().map(|r| (r["operation"].as_str().unwrap(), r["outcome"].as_str().unwrap())).collect();
    let wanted = [
        ("image_create", "done"),
        ("image_upload", "done"),
        ("network_create", "done"),
        ("subnet_create", "done"),
        ("instance_create", "done"),
        ("instance_stop", "done"),
        ("network_create", "refused"),
        ("image_delete", "refused"),
    ];
    assert_eq!(told, wanted);
    assert!(!Value::Array(all.clone()).to_string().contains("the secret"), "no secret is in it");
    let uploaded = all[1]["changes"].as_array().unwrap().last().unwrap();
    assert_eq!((&uploaded["noun"], &uploaded["after"]["status"]), (&json!("image"), &json!("active")), "{uploaded}");
    let stop = &all[5];
    assert_eq!(stop["request_id"].as_str(), stopped.headers["x-request-id"].to_str().ok());
    assert_eq!(
        (&stop["actor"]["name"], &stop["credential"]["kind"], &stop["source"]),
        (&json!("member"), &json!("session"), &json!("127.0.0.1"))
    );
    let change = &stop["changes"][0];
    assert_eq!(
        (&change["noun"], change["id"].as_str(), &change["verb"]),
        (&json!("instance"), Some(id.as_str()), &json!("changed"))
    );
    assert_eq!((&change["before"]["power"], &change["after"]["power"]), (&json!("running"), &json!("stopped")));
    assert_eq!((&all[6]["status"], &all[6]["changes"]), (&json!(422), &json!([])));
    // Filters, and who may read.
    let refused = records(&api, &format!("{path}?outcome=refused&operation=image_delete"), &auditor, 1).await;
    assert_eq!(refused.len(), 1);
    api.call(Method::GET, &path, Some(&api.stranger), None).await.problem("not-found", 404);
    api.call(Method::GET, &path, Some(&api.member), None).await.problem("forbidden", 403);
    api.call(Method::GET, "/v1/system/audit/records", Some(&auditor), None).await.problem("not-found", 404);
    let system = records(&api, "/v1/system/audit/records", &api.operator, 1).await;
    assert_eq!(system.iter().map(|r| r["operation"].as_str().unwrap()).collect::<Vec<_>>(), ["flavor_create"]);
}

#[tokio::test]
async fn log_ins_are_recorded_for_those_they_concern() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    for (username, password, status) in
        [("admin", PASSWORD, 200), ("admin", "wrong password", 401), ("nobody", "wrong password", 401)]
    {
        let body = json!({"username": username, "password": password});
        assert_eq!(api.call(Method::POST, "/v1/auth/token", None, Some(body)).await.status, status);
    }
    // Both of somebody; what nobody asks, again and again maybe, is not kept for ever.
    for _ in 0..20 {
        let body = json!({"refresh_token": "iroko_rt_made_up"});
        assert_eq!(api.call(Method::POST, "/v1/auth/refresh", None, Some(body)).await.status, 401);
    }
    let organization = format!("/v1/organizations/{}/audit/records", api.organization);
    records(&api, &organization, &auditor(&api).await, 2).await;
    let rows: Vec<(Option<sqlx::types::Uuid>, String)> = sqlx::query_as(
        "SELECT organization_id, record FROM audit_record WHERE operation = 'token_create' ORDER BY leaf_index",
    )
    .fetch_all(api.store.pool())
    .await
    .unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|(organization, record)| {
            let record: Value = serde_json::from_str(record).unwrap();
            assert!(!record.to_string().contains("password\":") && !record.to_string().contains("wrong"));
            (organization.is_some(), record["outcome"].clone(), record["actor"]["name"].clone())
        })
        .collect();
    let wanted = [(true, "done", json!("admin")), (true, "refused", json!("admin"))];
    assert_eq!(seen, wanted.map(|(known, outcome, name)| (known, json!(outcome), name)));
    let refreshes = "SELECT count(*) FROM audit_record WHERE operation = 'token_refresh'";
    let refreshes: i64 = sqlx::query_scalar(refreshes).fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(refreshes, 0);
}

#[tokio::test]
async fn exports_verify_and_every_change_of_the_database_is_found() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    for number in 0..5 {
        api.post("networks", json!({"name": format!("net-{number}")})).await.made();
        api.flavor(&format!("flavor-{number}")).await;
    }
    records(&api, "/v1/system/audit/records", &api.operator, 5).await;
    records(&api, &api.at("audit/records"), &auditor(&api).await, 5).await;
    let verifier = verifier(&api).await;
    let early = export(&api, 0).await;
    let whole = verify(&verifier, &early, None).unwrap();
    assert_eq!((whole.checkpoint.size, whole.shown[""]), (10, 5), "others' records are hashes");
    assert!(!early.contains("net-0"));
    api.flavor("later").await;
    records(&api, "/v1/system/audit/records", &api.operator, 6).await;
    let later = export(&api, whole.checkpoint.size).await;
    verify(&verifier, &later, Some(&early)).unwrap();
    // A database administrator at work.
    let change = |sql: &'static str| sqlx::query(sql).execute(api.store.pool());
    change("UPDATE audit_record SET record = replace(record, 'flavor-1', 'flavor-9') WHERE record LIKE '%flavor-1%'")
        .await
        .unwrap();
    assert_eq!(verify(&verifier, &export(&api, 0).await, None), Err(ExportError::Root));
    change("UPDATE audit_record SET record = replace(record, 'flavor-9', 'flavor-1') WHERE record LIKE '%flavor-9%'")
        .await
        .unwrap();
    verify(&verifier, &export(&api, 0).await, None).unwrap();
    change("CREATE TABLE kept AS SELECT * FROM audit_record WHERE leaf_index = 3").await.unwrap();
    change("DELETE FROM audit_record WHERE leaf_index = 3").await.unwrap();
    let gap = verify(&verifier, &export(&api, 0).await, None);
    assert!(
        matches!(gap, Err(ExportError::Gap { expected: 3, found: 4, .. } | ExportError::Misplaced { .. })),
        "{gap:?}"
    );
    change("INSERT INTO audit_record SELECT * FROM kept").await.unwrap();
    // Cutting the log off and letting it grow again is found by whoever kept a checkpoint, and by the sealer.
    change("DELETE FROM audit_record WHERE leaf_index >= 5").await.unwrap();
    change("UPDATE audit_tree SET size = 0, edge = '{}'").await.unwrap();
    let refused = seal(api.app()).await.unwrap_err().to_string();
    assert!(refused.contains("had 11 records and has 0"), "{refused}");
}

#[tokio::test]
async fn several_processes_seal_one_log() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let twin = api.twin().await;
    for number in 0..20 {
        let process = if number % 2 == 0 { &api } else { &twin };
        process.post("networks", json!({"name": format!("net-{number}")})).await.made();
        seal(process.app()).await.unwrap();
    }
    let all = records(&api, &api.at("audit/records"), &auditor(&api).await, 20).await;
    let indices: Vec<u64> = all.iter().map(|record| record["organization_index"].as_u64().unwrap()).collect();
    assert_eq!(indices, (0..20).collect::<Vec<_>>());
    verify(&verifier(&api).await, &export(&twin, 0).await, None).unwrap();
}
