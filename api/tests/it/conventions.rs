//! What every operation does the same way: keys against repetition, validators, limits, headers.

use crate::world::{Answer, Api, fault};
use iroko_test_database::database;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_MATCH, IF_NONE_MATCH};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinSet;

async fn keyed(api: &Api, path: &str, key: &str, body: &Value) -> Answer {
    let request = api.request(Method::POST, &api.at(path)).bearer_auth(&api.member).header("idempotency-key", key);
    api.send(request.json(body)).await
}

#[tokio::test]
async fn a_key_makes_a_request_happen_once() {
    let (_database, connect) = database().await;
    let mut api = Api::start(&connect).await;
    let body = json!({"name": "net"});
    let first = keyed(&api, "networks", "k1", &body).await;
    let again = keyed(&api, "networks", "k1", &body).await;
    assert_eq!((again.must(201), again.headers["idempotency-replayed"].as_bytes()), (first.must(201), &b"true"[..]));
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let other = keyed(&api, "networks", "k1", &json!({"name": "another"})).await;
    assert_eq!(other.fault(), fault("Idempotency-Key", "idempotency_key_reused"));
    assert_eq!(keyed(&api, "networks", "", &body).await.fault(), fault("Idempotency-Key", "idempotency_key_length"));
    // Of another path, of another caller: other requests.
    assert_eq!(keyed(&api, "ssh-keys", "k1", &body).await.fault().1, "idempotency_key_reused");
    let path = format!("/v1/projects/{}/networks", api.other);
    let strange = api.request(Method::POST, &path).bearer_auth(&api.stranger).header("idempotency-key", "k1");
    assert_ne!(api.send(strange.json(&body)).await.made(), first.made());
    // What was refused has used up nothing.
    assert_eq!(keyed(&api, "networks", "k2", &json!({"name": ""})).await.fault().0, "/name");
    keyed(&api, "networks", "k2", &body).await.made();
    assert_eq!(api.get("networks").await.must(200)["items"].as_array().unwrap().len(), 2);
    // An answer outlives the process, and a secret that is shown once can be fetched again with the key only.
    api.stop().await;
    api.start_again().await;
    assert_eq!(keyed(&api, "networks", "k1", &body).await.must(201), first.json());
    let stored: Vec<(Vec<u8>,)> =
        sqlx::query_as("SELECT answer FROM idempotency").fetch_all(api.store.pool()).await.unwrap();
    let clear = stored.iter().filter(|(answer,)| answer.windows(5).any(|window| window == b"\"net\""));
    assert_eq!((stored.len(), clear.count()), (3, 0), "answers are sealed");
}

#[tokio::test]
async fn of_many_with_one_key_one_takes_effect() {
    let (_database, connect) = database().await;
    const CLIENTS: usize = 64;
    let api = Arc::new(Api::start(&connect).await);
    let ground = api.ground("10.0.0.0/24").await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (api, body) = (api.clone(), ground.request("vm"));
        clients.spawn(async move {
            let answer = keyed(&api, "instances", "the one", &body).await;
            match answer.status {
                201 => Some(answer.made()),
                _ => {
                    answer.problem("conflict", 409);
                    assert_eq!(answer.headers["retry-after"], "1");
                    None
                }
            }
        });
    }
    let made: HashSet<String> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    assert_eq!(api.get("instances").await.must(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("ports").await.must(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_crash_between_effect_and_answer_repeats_nothing() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let body = json!({"name": "net"});
    keyed(&api, "networks", "k", &body).await.made();
    let set = |sql: &'static str| sqlx::query(sql).execute(api.store.pool());
    // As if the process had died after the commit: no answer is stored, and the claim runs out.
    set("UPDATE idempotency SET status = NULL, answer = NULL").await.unwrap();
    let running = keyed(&api, "networks", "k", &body).await.problem("conflict", 409);
    assert!(running["detail"].as_str().unwrap().contains("still being carried out"));
    set("UPDATE idempotency SET lease = now() - interval '1 second'").await.unwrap();
    let lost = keyed(&api, "networks", "k", &body).await.problem("conflict", 409);
    assert!(lost["detail"].as_str().unwrap().contains("was carried out"));
    // As if it had died before: the next one takes over.
    set("UPDATE idempotency SET committed_at = NULL").await.unwrap();
    keyed(&api, "networks", "k", &body).await.made();
    assert_eq!(api.get("networks").await.must(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn validators_spare_transfers_and_guard_changes() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let id = api.instance(&ground).await;
    let at = format!("instances/{id}");
    let tag = api.get(&at).await.headers[ETAG].to_str().unwrap().to_owned();
    assert!(tag.starts_with("\"1-"), "{tag}");
    let with = |method: Method, path: String, name, value: &str| {
        api.send(api.request(method, &api.at(&path)).bearer_auth(&api.member).header(name, value))
    };
    let spared = with(Method::GET, at.clone(), IF_NONE_MATCH, &tag).await;
    assert_eq!((spared.status, spared.text.as_str(), spared.headers[ETAG].to_str().unwrap()), (304, "", tag.as_str()));
    assert_eq!(with(Method::GET, at.clone(), IF_NONE_MATCH, "\"1-0\"").await.status, 200);
    with(Method::POST, format!("{at}/stop"), IF_MATCH, &tag).await.must(202);
    let late = with(Method::POST, format!("{at}/start"), IF_MATCH, &tag).await;
    late.problem("precondition-failed", 412);
    with(Method::DELETE, at.clone(), IF_MATCH, "nonsense").await.problem("precondition-failed", 412);
    assert_eq!(api.get(&at).await.must(200)["generation"], 2, "what came too late changed nothing");
    with(Method::POST, format!("{at}/start"), IF_MATCH, "*").await.must(202);
    let tag = api.get(&at).await.headers[ETAG].to_str().unwrap().to_owned();
    with(Method::DELETE, at.clone(), IF_MATCH, &tag).await.must(202);
    // Each noun that compares shows what it compares.
    let network = format!("networks/{}", api.post("networks", json!({"name": "n"})).await.made());
    let stale = api.get(&network).await.headers[ETAG].to_str().unwrap().to_owned();
    let body = json!({"network_id": &network[9..], "name": "s", "cidr": "10.9.0.0/24"});
    let subnet = api.post("subnets", body).await.made();
    with(Method::DELETE, network.clone(), IF_MATCH, &stale).await.problem("precondition-failed", 412);
    api.delete(&format!("subnets/{subnet}")).await.must(204);
    let tag = api.get(&network).await.headers[ETAG].to_str().unwrap().to_owned();
    with(Method::DELETE, network, IF_MATCH, &tag).await.must(204);
    // An operation that does not compare says so, and does nothing.
    let subnet = api.get("subnets").await.must(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let refused = with(Method::DELETE, format!("subnets/{subnet}"), IF_MATCH, "\"1-0\"").await;
    assert!(refused.problem("bad-request", 400)["detail"].as_str().unwrap().contains("If-Match"));
    api.get(&format!("subnets/{subnet}")).await.must(200);
}

#[tokio::test]
async fn of_many_changes_of_one_state_one_wins() {
    let (_database, connect) = database().await;
    let api = Arc::new(Api::start(&connect).await);
    let ground = api.ground("10.0.0.0/24").await;
    let at = format!("instances/{}", api.instance(&ground).await);
    let tag = api.get(&at).await.headers[ETAG].clone();
    let mut clients = JoinSet::new();
    for _ in 0..32 {
        let (api, tag, path) = (api.clone(), tag.clone(), api.at(&format!("{at}/reboot")));
        clients.spawn(async move {
            let request = api.request(Method::POST, &path).bearer_auth(&api.member).header(IF_MATCH, tag);
            api.send(request).await.status
        });
    }
    let mut statuses = clients.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (202, &[412; 31][..]));
    assert_eq!(api.get(&at).await.must(200)["generation"], 2);
}

#[tokio::test]
async fn limits_are_told_and_kept() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| {
        config.rate.caller_per_minute = 5;
        config.rate.address_per_minute = 3;
    });
    let api = api.await;
    for left in (0..5).rev() {
        let answer = api.get("networks").await;
        answer.must(200);
        assert_eq!(answer.headers["ratelimit-policy"], "\"caller\";q=5;w=60");
        assert!(answer.headers["ratelimit"].to_str().unwrap().starts_with(&format!("\"caller\";r={left};t=")));
    }
    let refused = api.get("networks").await;
    refused.problem("too-many-requests", 429);
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    api.system(Method::GET, "hosts", None).await.must(200);
    // Without valid credentials the address counts, for all of them together.
    for token in [Some("x.y.z"), None, Some("a.b.c")] {
        api.call(Method::GET, &api.at("networks"), token, None).await.problem("unauthorized", 401);
    }
    api.call(Method::GET, &api.at("networks"), None, None).await.problem("too-many-requests", 429);
}

#[tokio::test]
async fn answers_carry_what_every_answer_carries() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    for answer in [api.get("networks").await, api.get("nonsense").await] {
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff", "DENY"));
        assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert!(header("traceresponse").len() == 55 && !header("x-request-id").is_empty(), "{:?}", answer.headers);
    }
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = api.request(Method::GET, &api.at("networks")).bearer_auth(&api.member);
    let traced = api.send(request.header("traceparent", parent)).await;
    assert!(traced.headers["traceresponse"].to_str().unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    for number in 0..20 {
        api.post("networks", json!({"name": format!("net-{number}")})).await.made();
    }
    let plain = api.get("networks").await;
    for (encoding, magic) in [("gzip", &[0x1f, 0x8b][..]), ("zstd", &[0x28, 0xb5, 0x2f, 0xfd][..])] {
        let request = api.request(Method::GET, &api.at("networks")).bearer_auth(&api.member);
        let answer = request.header(ACCEPT_ENCODING, encoding).send().await.unwrap();
        assert_eq!(answer.headers()[CONTENT_ENCODING], encoding);
        let bytes = answer.bytes().await.unwrap();
        assert!(
            bytes.starts_with(magic) && bytes.len() * 3 < plain.text.len(),
            "{} of {}",
            bytes.len(),
            plain.text.len()
        );
    }
}
