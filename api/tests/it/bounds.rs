//! What all share has a bound for each: connections, event streams, database connections, time series, texts.

use crate::world::{Api, PATIENCE};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn rest(api: &Api) -> SocketAddr {
    api.url().trim_start_matches("http://").parse().unwrap()
}

#[tokio::test]
async fn event_streams_have_bounds_and_take_no_connections() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| {
        (config.event.streams_per_caller, config.event.streams_per_project) = (30, 40);
    })
    .await;
    let follow = async |token: &str, project| {
        let path = format!("/v1/projects/{project}/events");
        api.request(Method::GET, &path).bearer_auth(token).send().await.unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..30 {
        let stream = follow(&api.member, api.project).await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    // More than the pool has connections, and everybody is answered at once.
    let began = Instant::now();
    let path = format!("/v1/projects/{}/networks", api.other);
    api.call(Method::GET, &path, Some(&api.stranger), None).await.must(200);
    assert_eq!(api.call(Method::GET, "/readyz", None, None).await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(follow(&api.member, api.project).await.status(), 429, "one more of the caller");
    let second = api
        .token(
            "second",
            api.organization,
            iroko_model::Role::Member,
            iroko_store::authority::Scope::Project(api.project),
        )
        .await;
    for _ in 0..10 {
        let stream = follow(&second, api.project).await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    let request = api.request(Method::GET, &api.at("events")).bearer_auth(&second);
    let refused = api.send(request).await;
    assert!(refused.problem("too-many-requests", 429)["detail"].as_str().unwrap().contains("the project has 40"));
    assert_eq!(follow(&api.stranger, api.other).await.status(), 200, "others have their own");
    // All of them are told.
    let made = api.post("networks", json!({"name": "net"})).await.made();
    for stream in &mut open {
        let mut seen = String::new();
        let told = async {
            while !seen.contains(&made) {
                seen.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("told");
    }
    // A stream that is closed makes room.
    drop(open);
    let room = async {
        while follow(&api.member, api.project).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("room");
}

#[tokio::test]
async fn invented_methods_leave_nothing() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let invented = Method::from_bytes("FILLMEMORY".repeat(100).as_bytes()).unwrap();
    let answer = api.send(api.request(invented, "/v1/flavors")).await;
    assert!(matches!(answer.status, 401 | 405), "{}", answer.status);
    let metrics = api.metrics().await;
    assert!(!metrics.contains("FILLMEMORY") && metrics.contains("method=\"other\""));
}

/// True where the other end has closed within `bound`.
async fn is_closed(stream: &mut TcpStream, bound: Duration) -> bool {
    let mut bytes = [0; 512];
    let closed = async { while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(bound, closed).await.is_ok()
}

#[tokio::test]
async fn who_does_not_ask_is_not_waited_for() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| {
        config.connection.head_timeout_s = 1;
        config.agent_link.connection.head_timeout_s = 1;
    })
    .await;
    let mut silent = [TcpStream::connect(rest(&api)).await.unwrap(), TcpStream::connect(api.agents()).await.unwrap()];
    let mut half = TcpStream::connect(rest(&api)).await.unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    // Asks once and then never again.
    let mut idle = TcpStream::connect(rest(&api)).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    for (what, stream) in
        silent.iter_mut().map(|stream| ("silent", stream)).chain([("half", &mut half), ("idle", &mut idle)])
    {
        assert!(is_closed(stream, PATIENCE).await, "{what}");
    }
}

#[tokio::test]
async fn an_address_has_a_bounded_number_of_connections() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.connection.most_per_address = 8).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(TcpStream::connect(rest(&api)).await.unwrap());
    }
    // The client of the tests has one of the eight, or gets it.
    assert_eq!(api.call(Method::GET, "/healthz", None, None).await.status, 200);
    let mut more = TcpStream::connect(rest(&api)).await.unwrap();
    assert!(is_closed(&mut more, PATIENCE).await, "one more than may be");
    drop(held);
    let room = async {
        loop {
            let mut stream = TcpStream::connect(rest(&api)).await.unwrap();
            if stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.is_ok() {
                let mut answer = Vec::new();
                if stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.0 200") {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("room again");
}

#[tokio::test]
async fn refusals_of_one_caller_fill_the_audit_log_no_faster_than_the_bound() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.rate.refusals_recorded_per_minute = 5).await;
    for _ in 0..20 {
        api.post("networks", json!({"name": ""})).await.problem("invalid", 422);
    }
    let count = "SELECT count(*) FROM audit_record WHERE outcome = 'refused'";
    let kept: i64 = sqlx::query_scalar(count).fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(kept, 5);
    api.post("networks", json!({"name": "net"})).await.made();
    let done = "SELECT count(*) FROM audit_record WHERE outcome = 'done' AND operation = 'network_create'";
    let done: i64 = sqlx::query_scalar(done).fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(done, 1, "what was done is always recorded");
}
