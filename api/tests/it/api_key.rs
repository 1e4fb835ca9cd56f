//! API keys: shown once, restricted, gone at once.

use crate::session::text;
use crate::world::{Answer, Api, fault};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use uuid::Uuid;

async fn organization(api: &Api) -> Uuid {
    let id = sqlx::query_scalar("SELECT id FROM organization WHERE name = 'default'");
    id.fetch_one(api.store.pool()).await.unwrap()
}

/// The token of an owner of the first organization.
pub async fn owner(api: &Api) -> String {
    let organization = organization(api).await.into();
    let name = format!("owner-{}", Uuid::now_v7());
    api.token(&name, organization, Role::Owner, Scope::Organization(organization)).await
}

/// A service account of the first organization.
pub async fn service_account(api: &Api) -> Uuid {
    let made = "INSERT INTO service_account (id, organization_id, name) VALUES ($1, $2, 'robot') RETURNING id";
    let made = sqlx::query_scalar(made).bind(Uuid::now_v7()).bind(organization(api).await);
    made.fetch_one(api.store.pool()).await.unwrap()
}

async fn call(api: &Api, robot: Uuid, method: Method, rest: &str, body: Option<Value>) -> Answer {
    let path = format!("/v1/organizations/{}/service-accounts/{robot}/api-keys{rest}", organization(api).await);
    let owner = owner(api).await;
    api.call(method, &path, Some(&owner), body).await
}

/// A key of it.
pub async fn key(api: &Api) -> String {
    let robot = service_account(api).await;
    let made = call(api, robot, Method::POST, "", Some(json!({"name": "deploy"}))).await.must(201);
    text(&made, "key").to_owned()
}

async fn holds(api: &Api, key: &str) -> u16 {
    api.call(Method::GET, "/v1/flavors", Some(key), None).await.status
}

#[tokio::test]
async fn a_key_is_shown_once_and_stops_at_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let robot = service_account(&api).await;
    let made = call(&api, robot, Method::POST, "", Some(json!({"name": "deploy"}))).await.must(201);
    let key = text(&made, "key");
    assert!(key.starts_with(text(&made, "prefix")) && key.len() == 58, "{made}");
    assert_eq!(holds(&api, key).await, 200);
    let listed = call(&api, robot, Method::GET, "", None).await;
    assert!(!listed.text.contains(key), "{}", listed.text);
    let item = listed.must(200)["items"][0].clone();
    assert_eq!((&item["id"], text(&item, "name")), (&made["id"], "deploy"));
    assert!(item["last_used_at"].is_string(), "{item}");
    let one = format!("/{}", text(&made, "id"));
    let shown = call(&api, robot, Method::GET, &one, None).await;
    assert!(!shown.text.contains(key), "{}", shown.text);
    assert_eq!(shown.must(200), item, "as in the list");
    call(&api, Uuid::now_v7(), Method::GET, &one, None).await.problem("not-found", 404);
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT secret_hash FROM api_key").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(kept.len(), 32);
    // What is a person's own is not there for programs.
    api.call(Method::GET, "/v1/auth/sessions", Some(key), None).await.problem("not-found", 404);
    api.call(Method::POST, "/v1/auth/logout", Some(key), None).await.problem("not-found", 404);
    call(&api, robot, Method::POST, "", Some(json!({"name": "deploy"}))).await.problem("conflict", 409);

    let rest = format!("/{}", text(&made, "id"));
    call(&api, Uuid::now_v7(), Method::DELETE, &rest, None).await.problem("not-found", 404);
    assert_eq!(holds(&api, key).await, 200);
    call(&api, robot, Method::DELETE, &rest, None).await.must(204);
    call(&api, robot, Method::DELETE, &rest, None).await.problem("not-found", 404);
    assert_eq!(holds(&api, key).await, 401);
    for nonsense in ["iroko_ak_", "iroko_ak_no such key", &key[..57]] {
        assert_eq!(holds(&api, nonsense).await, 401, "{nonsense}");
    }
}

#[tokio::test]
async fn a_key_ends_by_time_and_by_its_owner() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (robot, clock) = (service_account(&api).await, api.app().identity.credentials.clock.clone());
    let in_an_hour = (clock.now() + Duration::hours(1)).format(&time::format_description::well_known::Rfc3339).unwrap();
    let made =
        call(&api, robot, Method::POST, "", Some(json!({"name": "a", "expires_at": in_an_hour}))).await.must(201);
    let lasting = call(&api, robot, Method::POST, "", Some(json!({"name": "b"}))).await.must(201);
    let past = json!({"name": "c", "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(call(&api, robot, Method::POST, "", Some(past)).await.fault(), fault("/expires_at", "expires_past"));
    let (made, lasting) = (text(&made, "key"), text(&lasting, "key"));
    assert_eq!((holds(&api, made).await, holds(&api, lasting).await), (200, 200));
    clock.advance(Duration::hours(1));
    assert_eq!((holds(&api, made).await, holds(&api, lasting).await), (401, 200));
    sqlx::query("UPDATE service_account SET disabled_at = now()").execute(api.store.pool()).await.unwrap();
    assert_eq!(holds(&api, lasting).await, 401);
}

#[tokio::test]
async fn a_key_is_good_in_its_networks_only() {
    let (_database, connect) = database().await;
    let api =
        Api::start_with(&connect, |config| config.auth.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let robot = service_account(&api).await;
    let request = json!({"name": "a", "source_networks": ["192.0.2.0/24", "2001:db8::/48"]});
    let made = call(&api, robot, Method::POST, "", Some(request)).await.must(201);
    for (address, status) in [
        ("192.0.2.9", 200),
        ("::ffff:192.0.2.9", 200),
        ("192.0.3.9", 401),
        ("2001:db8::7", 200),
        ("2001:db8:1::7", 401),
        // Not by a proxy: the peer itself is in neither.
        ("", 401),
    ] {
        let request = api.request(Method::GET, "/v1/flavors").bearer_auth(text(&made, "key"));
        let answer = api.send(request.header("x-forwarded-for", address)).await;
        assert_eq!(answer.status, status, "{address}");
    }
    let wrong = json!({"name": "b", "source_networks": ["192.0.2.9/24"]});
    assert_eq!(
        call(&api, robot, Method::POST, "", Some(wrong)).await.fault(),
        fault("/source_networks", "network_form")
    );
}

#[tokio::test]
async fn keys_have_a_bound() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let robot = service_account(&api).await;
    let crowd = "INSERT INTO api_key (id, service_account_id, name, prefix, secret_hash, created_at)
        SELECT gen_random_uuid(), $1, n::text, 'x', int4send(n), now() FROM generate_series(1, 99) n";
    sqlx::query(crowd).bind(robot).execute(api.store.pool()).await.unwrap();
    let bodies = ["a", "b", "c"].map(|name| json!({"name": name}));
    let made = futures::future::join_all(bodies.map(|body| call(&api, robot, Method::POST, "", Some(body)))).await;
    let mut statuses: Vec<_> = made.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
    made.iter().find(|answer| answer.status == 409).unwrap().problem("exhausted", 409);
}

/// What a restricted key makes is no less restricted.
#[tokio::test]
async fn a_restricted_key_makes_no_wider_one() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (robot, organization) = (service_account(&api).await, organization(&api).await);
    let bound = "INSERT INTO role_binding (id, service_account_id, role, scope, organization_id)
        VALUES ($1, $1, 'owner', 'organization', $2)";
    sqlx::query(bound).bind(robot).bind(organization).execute(api.store.pool()).await.unwrap();
    let key =
        async |body: Value| text(&call(&api, robot, Method::POST, "", Some(body)).await.must(201), "key").to_owned();
    let narrow =
        key(json!({"name": "narrow", "permissions": ["api_key.create", "role_binding.create", "image.read"]})).await;
    let local = key(json!({"name": "local", "source_networks": ["127.0.0.0/8", "::1/128"]})).await;
    let full = key(json!({"name": "full"})).await;
    let keys = format!("/v1/organizations/{organization}/service-accounts/{robot}/api-keys");
    for restricted in [&narrow, &local] {
        let body = json!({"name": "wider"});
        api.call(Method::POST, &keys, Some(restricted), Some(body)).await.problem("forbidden", 403);
    }
    api.call(Method::POST, &keys, Some(&full), Some(json!({"name": "another"}))).await.must(201);
    // Nor does it give roles that are wider than itself.
    let bindings = format!("/v1/organizations/{organization}/role-bindings");
    let give = |role: &str| json!({"service_account_id": robot, "role": role});
    api.call(Method::POST, &bindings, Some(&narrow), Some(give("reader"))).await.problem("forbidden", 403);
    api.call(Method::POST, &bindings, Some(&full), Some(give("reader"))).await.must(201);
}
