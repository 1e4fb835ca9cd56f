//! Every operation of the OpenAPI document, asked by everybody. An operation that is not in the table
//! fails the test: whoever adds an endpoint says here who may use it.

use crate::agent_link::world::enrolled_host;
use crate::world::{Api, KEY};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::collections::{BTreeSet, HashMap};

/// Who may use an operation, and what they get for a request that is right.
#[derive(Clone, Copy)]
enum For {
    /// Everybody, without a token.
    All(u16),
    /// Everybody who has logged in.
    Actors(u16),
    /// Members of the project; to all others it does not exist.
    Members(u16),
    /// Operators; to all others it does not exist.
    Operators(u16),
}

const TABLE: [(&str, For); 44] = [
    ("healthz", For::All(200)),
    ("readyz", For::All(200)),
    ("jwks", For::All(200)),
    ("problem_get", For::All(200)),
    ("token_create", For::All(200)),
    ("project_list", For::Actors(200)),
    ("flavor_list", For::Actors(200)),
    ("flavor_get", For::Actors(200)),
    ("image_list", For::Members(200)),
    ("image_create", For::Members(201)),
    ("image_get", For::Members(200)),
    ("image_upload", For::Members(200)),
    ("image_delete", For::Members(204)),
    ("instance_list", For::Members(200)),
    ("instance_create", For::Members(201)),
    ("instance_get", For::Members(200)),
    ("instance_console_log", For::Members(200)),
    ("instance_start", For::Members(202)),
    ("instance_reboot", For::Members(202)),
    ("instance_stop", For::Members(202)),
    ("instance_delete", For::Members(202)),
    ("network_list", For::Members(200)),
    ("network_create", For::Members(201)),
    ("network_get", For::Members(200)),
    ("network_delete", For::Members(204)),
    ("port_list", For::Members(200)),
    ("port_create", For::Members(201)),
    ("port_get", For::Members(200)),
    ("port_delete", For::Members(204)),
    ("ssh_key_list", For::Members(200)),
    ("ssh_key_create", For::Members(201)),
    ("ssh_key_get", For::Members(200)),
    ("ssh_key_delete", For::Members(204)),
    ("subnet_list", For::Members(200)),
    ("subnet_create", For::Members(201)),
    ("subnet_get", For::Members(200)),
    ("subnet_delete", For::Members(204)),
    ("enrolment_token_list", For::Operators(200)),
    ("enrolment_token_create", For::Operators(201)),
    ("enrolment_token_delete", For::Operators(204)),
    ("flavor_create", For::Operators(201)),
    ("flavor_delete", For::Operators(204)),
    ("host_list", For::Operators(200)),
    ("host_get", For::Operators(200)),
];
/// Credentials. Those that end the caller's own session come last.
const CREDENTIALS: [(&str, For); 29] = [
    ("token_refresh", For::All(401)),
    ("session_list", For::Actors(200)),
    ("session_delete", For::Actors(404)),
    ("password_change", For::Actors(409)),
    ("password_reset", For::Operators(204)),
    ("api_key_create", For::Operators(201)),
    ("api_key_list", For::Operators(200)),
    ("api_key_delete", For::Operators(404)),
    ("identity_provider_create", For::Operators(201)),
    ("identity_provider_list", For::Operators(200)),
    ("identity_provider_get", For::Operators(404)),
    ("identity_provider_update", For::Operators(404)),
    ("identity_provider_delete", For::Operators(404)),
    ("oidc_start", For::All(404)),
    ("oidc_callback", For::All(404)),
    ("oidc_device", For::All(404)),
    ("oidc_device_token", For::All(404)),
    ("token_second_factor", For::All(401)),
    ("totp_get", For::Actors(200)),
    ("totp_enrol", For::Actors(409)),
    ("totp_confirm", For::Actors(409)),
    ("totp_disable", For::Actors(409)),
    ("totp_recovery_codes", For::Actors(409)),
    ("totp_reset", For::Operators(404)),
    ("signing_key_list", For::Operators(200)),
    ("signing_key_rotate", For::Operators(200)),
    ("signing_key_delete", For::Operators(404)),
    ("session_log_out", For::Actors(204)),
    ("session_delete_all", For::Actors(401)),
];
/// The rest of the table, for the operations on a host that change it.
const HOSTS: [(&str, For); 2] = [("host_update", For::Operators(200)), ("host_delete", For::Operators(204))];

/// The operations of the document: id, method, path.
fn operations() -> Vec<(String, Method, String)> {
    let document: Value = serde_json::from_str(&iroko_api::openapi::document_json()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            operations.push((operation["operationId"].as_str().unwrap().to_owned(), method, path.clone()));
        }
    }
    operations
}

/// One of each noun, in the first project.
async fn things(api: &Api) -> (HashMap<&'static str, String>, HashMap<&'static str, Value>) {
    let ground = api.ground("10.0.0.0/24").await;
    let spare = api.post("networks", json!({"name": "spare"})).await.made();
    let on_spare = json!({"network_id": spare, "name": "s", "cidr": "10.9.0.0/24"});
    let key = json!({"name": "ama", "public_key": KEY});
    let image = json!({"name": "i", "disk_format": "raw"});
    let admin: (uuid::Uuid, uuid::Uuid) =
        sqlx::query_as("SELECT organization_id, id FROM account WHERE username = 'admin'")
            .fetch_one(api.store.pool())
            .await
            .unwrap();
    let provider = json!({"name": "id", "issuer": "https://id.example", "client_id": "iroko"});
    let enrolment = api.system(Method::POST, "enrolment-tokens", Some(json!({}))).await.must(201);
    let ids = HashMap::from([
        ("project_id", api.project.to_string()),
        ("slug", "not-found".to_owned()),
        ("session_id", uuid::Uuid::now_v7().to_string()),
        ("kid", "nobody".to_owned()),
        ("identity_provider_id", uuid::Uuid::now_v7().to_string()),
        ("service_account_id", crate::api_key::service_account(api).await.to_string()),
        ("api_key_id", uuid::Uuid::now_v7().to_string()),
        ("organization_id", admin.0.to_string()),
        ("user_id", admin.1.to_string()),
        ("flavor_id", api.flavor("spare").await),
        ("image_id", api.post("images", image.clone()).await.made()),
        ("instance_id", api.instance(&ground).await.to_string()),
        ("network_id", api.post("networks", json!({"name": "bare"})).await.made()),
        ("subnet_id", api.post("subnets", on_spare).await.made()),
        ("port_id", api.post("ports", json!({"network_id": ground.network, "name": "p"})).await.made()),
        ("ssh_key_id", api.post("ssh-keys", key).await.made()),
        ("enrolment_token_id", enrolment["id"].as_str().unwrap().to_owned()),
        ("host_id", enrolled_host(api, "host-1").await.to_string()),
    ]);
    let bodies = HashMap::from([
        ("token_create", json!({"username": "admin", "password": crate::world::PASSWORD})),
        ("token_refresh", json!({"refresh_token": "none"})),
        ("password_change", json!({"current_password": "none", "new_password": "a long new phrase"})),
        ("api_key_create", json!({"name": "deploy"})),
        ("identity_provider_create", provider.clone()),
        ("identity_provider_update", provider),
        ("oidc_callback", json!({"code": "none", "state": "none"})),
        ("oidc_device_token", json!({"device_token": "none"})),
        ("token_second_factor", json!({"challenge": "none", "code": "none"})),
        ("totp_enrol", json!({"password": "none"})),
        ("totp_confirm", json!({"code": "none"})),
        ("totp_disable", json!({"code": "none"})),
        ("totp_recovery_codes", json!({"code": "none"})),
        ("password_reset", json!({"password": "a long new phrase"})),
        ("image_create", image),
        ("instance_create", ground.request("second")),
        ("network_create", json!({"name": "n"})),
        ("port_create", json!({"network_id": ground.network, "name": "q"})),
        ("ssh_key_create", json!({"name": "kofi", "public_key": KEY})),
        ("subnet_create", json!({"network_id": spare, "name": "t", "cidr": "10.8.0.0/24"})),
        ("enrolment_token_create", json!({})),
        ("flavor_create", json!({"name": "f", "vcpus": 1, "memory_mib": 64, "disk_gib": 1})),
        ("host_update", json!({"state": "disabled"})),
    ]);
    (ids, bodies)
}

#[sqlx::test(migrations = "../store/migrations")]
async fn every_operation_asks_who_calls(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let (ids, bodies) = things(&api).await;
    let operations = operations();
    let known: BTreeSet<_> = TABLE.iter().chain(&HOSTS).chain(&CREDENTIALS).map(|(id, _)| *id).collect();
    let offered: BTreeSet<_> = operations.iter().map(|(id, _, _)| id.as_str()).collect();
    assert_eq!(known, offered, "the table must have every operation of the document, and no other");
    let bad = Some("eyJhbGciOiJub25lIn0.e30.");
    let (member, stranger, operator) = (Some(&*api.member), Some(&*api.stranger), Some(&*api.operator));
    for (id, policy) in TABLE.iter().chain(&HOSTS).chain(&CREDENTIALS) {
        let (_, method, template) = operations.iter().find(|(offered, _, _)| offered == id).unwrap();
        let template = if *id == "oidc_start" { format!("{template}?redirect_uri=x") } else { template.clone() };
        let path = ids.iter().fold(template.clone(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
        assert!(!path.contains('{'), "{path}");
        // Refusals first: nothing of them may have an effect on what follows.
        let callers = match *policy {
            For::All(right) => vec![(None, right), (bad, right), (stranger, right)],
            For::Actors(right) => vec![(None, 401), (bad, 401), (stranger, right), (operator, right)],
            For::Members(right) => vec![(None, 401), (bad, 401), (stranger, 404), (operator, 404), (member, right)],
            For::Operators(right) => vec![(None, 401), (bad, 401), (stranger, 404), (member, 404), (operator, right)],
        };
        for (number, (token, status)) in callers.into_iter().enumerate() {
            let answer = match *id {
                "image_upload" => {
                    let request = api.request(method.clone(), &path).body("bytes");
                    api.send(token.into_iter().fold(request, RequestBuilder::bearer_auth)).await
                }
                id => api.call(method.clone(), &path, token, bodies.get(id).cloned()).await,
            };
            assert_eq!(answer.status, status, "{id}, caller {number}: {}", answer.text);
            match status {
                401 => drop(answer.problem("unauthorized", 401)),
                404 => drop(answer.problem("not-found", 404)),
                _ => {}
            }
        }
    }
}
