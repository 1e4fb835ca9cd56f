//! Authority is asked when something happens, not once and kept: stored answers, streams, what keys make, accounts that
//! are disabled, failures that are counted.

use crate::session::{log_in, text};
use crate::world::{Answer, Api, PASSWORD, PATIENCE, bind, fault};
use futures::StreamExt;
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// A service account that owns the organization, and its first key.
async fn robot(api: &Api) -> (String, String) {
    let organization = format!("/v1/organizations/{}", api.organization);
    let owner = api.token("owner", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let post = async |path: &str, body: Value| {
        api.call(Method::POST, &format!("{organization}/{path}"), Some(&owner), Some(body)).await.must(201)
    };
    let id = text(&post("service-accounts", json!({"name": "robot"})).await, "id").to_owned();
    post("role-bindings", json!({"service_account_id": id, "role": "owner"})).await;
    let keys = format!("service-accounts/{id}/api-keys");
    let key = text(&post(&keys, json!({"name": "first"})).await, "key").to_owned();
    (format!("{organization}/{keys}"), key)
}

async fn keyed(api: &Api, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    api.send(api.request(Method::POST, path).bearer_auth(token).header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn a_stored_answer_is_for_who_asked_and_still_may() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (keys, full) = robot(&api).await;
    let body = json!({"name": "deploy"});
    let first = keyed(&api, &full, &keys, "k", &body).await.must(201);
    assert_eq!(keyed(&api, &full, &keys, "k", &body).await.must(201), first, "asked again by the same key");
    // Another key of the same program: no answer with a secret, whatever it may do.
    let other = text(&keyed(&api, &full, &keys, "k2", &json!({"name": "other"})).await.must(201), "key").to_owned();
    let narrow = json!({"name": "narrow", "permissions": ["instance.read"]});
    let narrow = text(&keyed(&api, &full, &keys, "k3", &narrow).await.must(201), "key").to_owned();
    keyed(&api, &other, &keys, "k", &body).await.problem("conflict", 409);
    keyed(&api, &narrow, &keys, "k", &body).await.problem("forbidden", 403);
    // Somebody whose role is gone.
    let former = api.token("former", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let body = json!({"name": "by former"});
    keyed(&api, &former, &keys, "mine", &body).await.must(201);
    let gone = "DELETE FROM role_binding WHERE account_id = (SELECT id FROM account WHERE username = 'former')";
    sqlx::query(gone).execute(api.store.pool()).await.unwrap();
    keyed(&api, &former, &keys, "mine", &body).await.problem("not-found", 404);
    // And without any credentials.
    let anonymous = api.request(Method::POST, &keys).header("idempotency-key", "mine").json(&body);
    api.send(anonymous).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn what_a_key_makes_ends_with_it() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (keys, full) = robot(&api).await;
    let clock = api.app().identity.credentials.clock.clone();
    let at = |hours| (clock.now() + Duration::hours(hours)).format(&Rfc3339).unwrap();
    let make = async |key: &str, name: &str, expires_at: Option<String>| {
        let body = json!({"name": name, "expires_at": expires_at});
        api.call(Method::POST, &keys, Some(key), Some(body)).await
    };
    let short = make(&full, "short", Some(at(2))).await.must(201);
    let end = text(&short, "expires_at").to_owned();
    let short = text(&short, "key");
    assert_eq!(text(&make(short, "without an end", None).await.must(201), "expires_at"), end, "its maker's");
    assert_eq!(make(short, "longer", Some(at(3))).await.fault(), fault("/expires_at", "expires_after_maker"));
    make(short, "shorter", Some(at(1))).await.must(201);
    assert!(make(&full, "for ever", None).await.must(201)["expires_at"].is_null());
}

#[tokio::test]
async fn a_bound_key_gives_nobody_what_is_good_elsewhere() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (keys, full) = robot(&api).await;
    let bound = json!({"name": "bound", "source_networks": ["127.0.0.0/8"]});
    let bound = api.call(Method::POST, &keys, Some(&full), Some(bound)).await.must(201);
    let bound = text(&bound, "key");
    let organization = format!("/v1/organizations/{}", api.organization);
    let member: (Uuid,) =
        sqlx::query_as("SELECT id FROM account WHERE username = 'member'").fetch_one(api.store.pool()).await.unwrap();
    let member = member.0;
    for (method, path, body) in [
        (Method::POST, "users".to_owned(), json!({"username": "back-door", "password": PASSWORD})),
        (Method::PUT, format!("users/{member}/password"), json!({"password": "another one entirely"})),
        (Method::PATCH, format!("users/{member}"), json!({"disabled": false})),
        (Method::POST, "role-bindings".to_owned(), json!({"user_id": member, "role": "owner"})),
        (Method::POST, "identity-providers".to_owned(), json!({})),
        (Method::POST, "organizations".to_owned(), json!({"name": "below"})),
        (Method::POST, keys.trim_start_matches(&format!("{organization}/")).to_owned(), json!({"name": "wider"})),
    ] {
        let answer = api.call(method, &format!("{organization}/{path}"), Some(bound), Some(body)).await;
        let text = answer.problem("forbidden", 403)["detail"].as_str().unwrap().to_owned();
        assert!(text.contains("in some networks only"), "{path}: {text}");
    }
    // Its own work it does.
    api.call(Method::GET, &format!("{organization}/users"), Some(bound), None).await.must(200);
    let project = json!({"name": "another"});
    api.call(Method::POST, &format!("{organization}/projects"), Some(bound), Some(project)).await.must(201);
}

#[tokio::test]
async fn an_account_that_is_enabled_again_has_no_session() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.token("owner", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let users = format!("/v1/organizations/{}/users", api.organization);
    let made = json!({"username": "ama", "password": PASSWORD});
    let id = api.call(Method::POST, &users, Some(&owner), Some(made)).await.made();
    let log_in = json!({"username": "ama", "password": PASSWORD});
    let tokens = api.call(Method::POST, "/v1/auth/token", None, Some(log_in.clone())).await.must(200);
    let me = async || api.call(Method::GET, "/v1/auth/me", Some(text(&tokens, "access_token")), None).await.status;
    assert_eq!(me().await, 200);
    for disabled in [true, false] {
        let body = json!({"disabled": disabled});
        api.call(Method::PATCH, &format!("{users}/{id}"), Some(&owner), Some(body)).await.must(200);
        assert_eq!(me().await, 401, "disabled: {disabled}");
    }
    let refresh = json!({"refresh_token": text(&tokens, "refresh_token")});
    api.call(Method::POST, "/v1/auth/refresh", None, Some(refresh)).await.problem("unauthorized", 401);
    api.call(Method::POST, "/v1/auth/token", None, Some(log_in)).await.must(200);
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (keys, full) = robot(&api).await;
    let key = json!({"name": "follower"});
    let key = api.call(Method::POST, &keys, Some(&full), Some(key)).await.must(201);
    let organization = Scope::Organization(api.organization);
    let spy = api.token("spy", api.organization, Role::Reader, organization).await;
    let logged_in = log_in(&api).await;
    let mut tx = api.store.begin().await.unwrap();
    let admin = iroko_store::account::account_by_username(&mut tx, "admin").await.unwrap().unwrap();
    bind(&mut tx, &admin, Role::Reader, Scope::Project(api.project)).await;
    api.store.commit(tx).await.unwrap();
    let follow = async |token: &str| {
        let answer = api.request(Method::GET, &api.at("events")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes_stream()
    };
    let mut streams = Vec::new();
    for token in [spy.as_str(), text(&key, "key"), text(&logged_in, "access_token"), &api.member] {
        streams.push(follow(token).await.boxed());
    }
    let mut stays = streams.pop().unwrap();
    let gone = "DELETE FROM role_binding WHERE account_id = (SELECT id FROM account WHERE username = 'spy')";
    sqlx::query(gone).execute(api.store.pool()).await.unwrap();
    let id = text(&key, "id");
    api.call(Method::DELETE, &format!("{keys}/{id}"), Some(&full), None).await.must(204);
    api.call(Method::POST, "/v1/auth/logout", Some(text(&logged_in, "access_token")), None).await.must(204);
    for stream in &mut streams {
        let mut seen = String::new();
        let all = async {
            while let Some(Ok(piece)) = stream.next().await {
                seen.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("the stream goes on");
        assert!(
            seen.contains("event: begin") && seen.trim_end().ends_with('}') && seen.contains("event: end"),
            "{seen}"
        );
    }
    let made = api.post("networks", json!({"name": "still told"})).await.made();
    let mut seen = String::new();
    let told = async {
        while !seen.contains(&made) {
            seen.push_str(std::str::from_utf8(&stays.next().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("who may follow is told");
}

#[tokio::test]
async fn an_upload_ends_with_the_right_to_it() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let sender = api.token("sender", api.organization, Role::Member, Scope::Project(api.project)).await;
    let body = json!({"name": "slow", "disk_format": "raw"});
    let image = api.call(Method::POST, &api.at("images"), Some(&sender), Some(body)).await.made();
    let (pieces, stream) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(1);
    let body = reqwest::Body::wrap_stream(futures::stream::unfold(stream, async |mut stream| {
        let piece = stream.recv().await?;
        Some((piece, stream))
    }));
    let path = api.at(&format!("images/{image}/file"));
    let upload = tokio::spawn(api.request(Method::PUT, &path).bearer_auth(&sender).body(body).send());
    pieces.send(Ok(vec![7; 1 << 20])).await.unwrap();
    let gone = "DELETE FROM role_binding WHERE account_id = (SELECT id FROM account WHERE username = 'sender')";
    sqlx::query(gone).execute(api.store.pool()).await.unwrap();
    pieces.send(Ok(vec![7; 1 << 20])).await.unwrap();
    drop(pieces);
    assert_eq!(upload.await.unwrap().unwrap().status(), 404);
    let shown = api.get(&format!("images/{image}")).await.must(200);
    assert_eq!(shown["status"], "queued", "nothing of it became the image");
}
