//! Following a project: what happens comes in order, once, and after a broken connection from where it
//! broke.

use crate::world::{Api, PATIENCE};
use futures::StreamExt;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

struct Follower {
    bytes: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    left: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Follower {
    async fn begin(api: &Api, after: Option<&str>) -> Self {
        let mut request = api.request(Method::GET, &api.at("events")).bearer_auth(&api.member);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { bytes: answer.bytes_stream().boxed(), left: String::new() }
    }

    /// The next event; `None` where the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.left.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.left = rest;
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                    line.trim().to_owned()
                };
                if field("data:").is_empty() {
                    continue;
                }
                let data = serde_json::from_str(&field("data:")).unwrap();
                return Some(Event { name: field("event:"), id: field("id:"), data });
            }
            let more = tokio::time::timeout(PATIENCE, self.bytes.next()).await.expect("no event came");
            self.left.push_str(std::str::from_utf8(&more?.ok()?).unwrap());
        }
    }

    async fn named(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, name, "{event:?}");
        event
    }
}

#[tokio::test]
async fn events_come_in_order_once_and_again_from_any_place() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let mut follower = Follower::begin(&api, None).await;
    follower.named("begin").await;
    let network = api.post("networks", json!({"name": "net"})).await.made();
    // Transactions that run elsewhere in the cluster hold the beginning back a little.
    let mut made = follower.next().await.unwrap();
    while made.name != "network.created" {
        made = follower.next().await.unwrap();
    }
    assert_eq!((made.data["object_id"].as_str(), &made.data["fields"]), (Some(network.as_str()), &json!([])));
    let path = format!("/v1/projects/{}/networks", api.other);
    api.call(Method::POST, &path, Some(&api.stranger), Some(json!({"name": "theirs"}))).await.made();
    api.post("subnets", json!({"network_id": network, "name": "sub", "cidr": "10.0.0.0/24"})).await.made();
    // The network's generation grew, the subnet was made: of the other project nothing.
    let mut seen = vec![follower.next().await.unwrap(), follower.next().await.unwrap()];
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(seen.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["network.changed", "subnet.created"]);
    drop(follower);
    let key = api.post("ports", json!({"network_id": network, "name": "p"})).await.made();
    let mut again = Follower::begin(&api, Some(&made.id)).await;
    assert_eq!(again.named("begin").await.id, made.id);
    let mut missed = vec![again.next().await.unwrap(), again.next().await.unwrap()];
    missed.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(missed, seen);
    assert_eq!(again.named("port.created").await.data["object_id"].as_str(), Some(key.as_str()));
}

#[tokio::test]
async fn a_follower_is_told_what_it_cannot_have_and_let_go_at_the_end() {
    let (_database, connect) = database().await;
    let mut api = Api::start(&connect).await;
    api.post("networks", json!({"name": "net"})).await.made();
    let request = api.request(Method::GET, &api.at("events")).bearer_auth(&api.member);
    api.send(request.header("last-event-id", "yesterday")).await.problem("bad-request", 400);
    let mut late = Follower::begin(&api, Some("3-1")).await;
    late.named("reset").await;
    late.named("begin").await;
    let began = std::time::Instant::now();
    api.stop().await;
    while late.next().await.is_some() {}
    assert!(began.elapsed().as_secs() < 8, "open streams do not hold the process up: {:?}", began.elapsed());
}
