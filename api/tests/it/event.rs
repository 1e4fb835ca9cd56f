//! Following a project: what happens comes in order, once, and after a broken connection from where it
//! broke.

use crate::world::{Api, PATIENCE};
use futures::StreamExt;
use iroko_model::Role;
use iroko_store::authority::Scope;
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
        Self::at(api, &api.at("events"), &api.member, after).await
    }

    async fn at(api: &Api, path: &str, token: &str, after: Option<&str>) -> Self {
        let mut request = api.request(Method::GET, path).bearer_auth(token);
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

    /// The events up to one of this object. A stream may begin a little earlier than now, and tell of others of that name.
    async fn until(&mut self, last: &str, object: &str) -> Vec<Event> {
        let mut seen = vec![self.next().await.expect("the stream goes on")];
        while seen.last().is_none_or(|event| event.name != last || event.data["object_id"] != json!(object)) {
            seen.push(self.next().await.expect("the stream goes on"));
        }
        seen
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

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

#[tokio::test]
async fn an_organization_tells_each_what_they_may_see() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let organization = Scope::Organization(api.organization);
    let path = |rest: &str| format!("/v1/organizations/{}/{rest}", api.organization);
    let owner = api.token("the-owner", api.organization, Role::Owner, organization).await;
    let reader = api.token("the-reader", api.organization, Role::Reader, organization).await;
    let theirs = Scope::Organization(api.other_organization);
    let other = api.token("the-other", api.other_organization, Role::Owner, theirs).await;
    let elsewhere = format!("/v1/organizations/{}/events", api.other_organization);
    let mut all = Follower::at(&api, &path("events"), &owner, None).await;
    let mut some = Follower::at(&api, &path("events"), &reader, None).await;
    let mut beside = Follower::at(&api, &elsewhere, &other, None).await;
    let make = async |rest: &str, body: Value| api.call(Method::POST, &path(rest), Some(&owner), Some(body)).await;
    let robot = make("service-accounts", json!({"name": "robot"})).await.made();
    make(&format!("service-accounts/{robot}/api-keys"), json!({"name": "key"})).await.must(201);
    let user = make("users", json!({"username": "esi", "password": "a long pass phrase"})).await.made();
    let group = make("groups", json!({"name": "staff"})).await.made();
    api.call(Method::PUT, &path(&format!("groups/{group}/members/{user}")), Some(&owner), None).await.must(204);
    make("roles", json!({"name": "watch", "permissions": ["image.read"]})).await.made();
    make("role-bindings", json!({"user_id": user, "role": "reader"})).await.made();
    // What a project owns is told in the stream of the project.
    api.post("networks", json!({"name": "net"})).await.made();
    let project = make("projects", json!({"name": "another"})).await.made();
    let rest = json!({"name": "of the other"});
    let projects = format!("/v1/organizations/{}/projects", api.other_organization);
    let foreign = api.call(Method::POST, &projects, Some(&other), Some(rest)).await.made();

    let seen = all.until("project.created", &project).await;
    let from = seen.iter().position(|event| event.name == "service_account.created").expect("the robot");
    let wanted = [
        "service_account.created",
        "api_key.created",
        "user.created",
        "group.created",
        "group_member.created",
        "role.created",
        "role_binding.created",
        "project.created",
    ];
    assert_eq!(names(&seen[from..]), wanted);
    // A reader sees projects, but no people and no keys.
    let seen = some.until("project.created", &project).await;
    assert!(seen.iter().all(|event| ["begin", "project.created"].contains(&event.name.as_str())), "{seen:?}");
    let seen = beside.until("project.created", &foreign).await;
    assert!(
        seen.iter().all(|event| event.data["object_id"] != json!(project)),
        "nothing of another organization: {seen:?}"
    );
    // From any place on, also after a name that the reader was not told.
    let first = seen.first().unwrap().id.clone();
    let mut again = Follower::at(&api, &elsewhere, &other, Some(&first)).await;
    again.named("begin").await;
    again.until("project.created", &foreign).await;
    let member = api.request(Method::GET, &path("events")).bearer_auth(&api.member);
    api.send(member).await.problem("not-found", 404);
}

#[tokio::test]
async fn the_system_tells_operators_of_hosts_flavors_and_organizations() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.event.streams_per_organization = 1).await;
    let mut follower = Follower::at(&api, "/v1/system/events", &api.operator, None).await;
    let second = api.request(Method::GET, "/v1/system/events").bearer_auth(&api.operator);
    let refused = api.send(second).await.problem("too-many-requests", 429);
    assert!(refused["detail"].as_str().unwrap().contains("the system has 1"), "{refused}");
    let flavor = api.flavor("tiny").await;
    api.system(Method::POST, "enrolment-tokens", Some(json!({"host_name": "host-1"}))).await.must(201);
    sqlx::query("INSERT INTO host (id, name) VALUES ($1, 'host-1')")
        .bind(uuid::Uuid::now_v7())
        .execute(api.store.pool())
        .await
        .unwrap();
    // Nothing of what tenants have.
    api.post("networks", json!({"name": "net"})).await.made();
    let organization = Scope::Organization(api.organization);
    let owner = api.token("the-owner", api.organization, Role::Owner, organization).await;
    let robots = format!("/v1/organizations/{}/service-accounts", api.organization);
    let robot = api.call(Method::POST, &robots, Some(&owner), Some(json!({"name": "robot"}))).await.made();
    let keys = format!("{robots}/{robot}/api-keys");
    api.call(Method::POST, &keys, Some(&owner), Some(json!({"name": "key"}))).await.must(201);
    // Its keys go in the same statement, and are nobody's then.
    api.call(Method::DELETE, &format!("{robots}/{robot}"), Some(&owner), None).await.must(204);
    let body = json!({"name": "ministry"});
    let made = api.call(Method::POST, "/v1/organizations", Some(&api.operator), Some(body)).await.made();
    let seen = follower.until("organization.created", &made).await;
    let from = seen.iter().position(|event| event.data["object_id"] == json!(flavor)).expect("the flavor");
    let wanted = ["flavor.created", "enrolment_token.created", "host.created", "organization.created"];
    assert_eq!(names(&seen[from..]), wanted);
    let member = api.request(Method::GET, "/v1/system/events").bearer_auth(&api.member);
    api.send(member).await.problem("not-found", 404);
}
