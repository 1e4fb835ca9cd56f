//! Quotas: set from above, counted from the rows, never one too many.

use crate::world::{Api, KEY, PASSWORD, fault};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

/// Clients at once.
const CROWD: usize = 64;

impl Api {
    async fn limit(&self, token: &str, path: &str, limits: Value) -> crate::world::Answer {
        self.call(Method::PUT, &format!("{path}/quotas"), Some(token), Some(json!({"limits": limits}))).await
    }

    async fn quota(&self, token: &str, path: &str, name: &str) -> Value {
        let seen = self.get_as(token, &format!("{path}/quotas")).await.must(200);
        seen["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone()
    }
}

#[tokio::test]
async fn each_noun_is_counted_and_refused_at_its_limit() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let project = format!("/v1/projects/{}", api.project);
    let organization = format!("/v1/organizations/{}", api.organization);
    let owner = api.token("boss", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let ground = api.ground("10.0.0.0/24").await;
    api.instance(&ground).await;
    let key = |n: u32| json!({"name": format!("k{n}"), "public_key": KEY});
    api.post("ssh-keys", key(0)).await.made();
    for (name, used) in [
        ("instances", 1),
        ("vcpus", 1),
        ("memory_mib", 64),
        ("networks", 1),
        ("subnets", 1),
        ("ports", 1),
        ("images", 1),
        ("image_gib", 1),
        ("ssh_keys", 1),
    ] {
        assert_eq!(api.quota(&api.member, &project, name).await, json!({"name": name, "used": used}));
    }
    assert_eq!(api.quota(&owner, &organization, "projects").await["used"], 1);
    let image = api.post("images", json!({"name": "later", "disk_format": "raw"})).await.made();
    let limits = json!({"instances": 1, "vcpus": 1, "memory_mib": 64, "networks": 1, "subnets": 1, "ports": 1, "images": 2,
        "image_gib": 1, "ssh_keys": 1, "api_requests_per_minute": 600});
    api.limit(&owner, &project, limits).await.must(200);
    assert_eq!(api.quota(&api.member, &project, "ssh_keys").await, json!({"name": "ssh_keys", "limit": 1, "used": 1}));
    assert_eq!(
        api.quota(&api.member, &project, "api_requests_per_minute").await,
        json!({"name": "api_requests_per_minute", "limit": 600})
    );
    let network = ground.network.clone();
    for (list, body, name) in [
        ("networks", json!({"name": "n"}), "networks"),
        ("subnets", json!({"name": "s", "network_id": network, "cidr": "10.1.0.0/24"}), "subnets"),
        ("ports", json!({"name": "p", "network_id": network}), "ports"),
        ("images", json!({"name": "i", "disk_format": "raw"}), "images"),
        ("ssh-keys", key(1), "ssh_keys"),
        ("instances", ground.request("vm"), "instances"),
    ] {
        let refused = api.post(list, body).await.problem("quota-exceeded", 409);
        let words = refused["detail"].as_str().unwrap();
        assert!(words.contains(&format!("quota {name} is ")) && words.contains("used and 1 more"), "{words}");
        assert!(words.contains("ask an owner of the project's organization"), "{words}");
    }
    let refused = api.upload(&image, "bytes").await.problem("quota-exceeded", 409);
    assert!(refused["detail"].as_str().unwrap().contains("image_gib"), "{refused}");
    // What is deleted makes room.
    let ids = api.get("ssh-keys").await.must(200);
    api.delete(&format!("ssh-keys/{}", ids["items"][0]["id"].as_str().unwrap())).await.must(204);
    api.post("ssh-keys", key(2)).await.made();
    // Of an organization, above it.
    let operator = &api.operator;
    api.limit(&owner, &organization, json!({})).await.problem("forbidden", 403);
    let used = api.quota(&owner, &organization, "users").await["used"].as_i64().unwrap();
    api.limit(operator, &organization, json!({"users": used, "projects": 1})).await.must(200);
    let user = json!({"username": "one.more", "password": PASSWORD});
    api.post_as(&owner, &format!("{organization}/users"), user).await.problem("quota-exceeded", 409);
    api.post_as(&owner, &format!("{organization}/projects"), json!({"name": "q"})).await.problem("quota-exceeded", 409);
}

#[tokio::test]
async fn nobody_gets_more_than_what_they_are_part_of() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let organization = format!("/v1/organizations/{}", api.organization);
    let owner = api.token("boss", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let project = format!("/v1/projects/{}", api.project);
    let beside = api.post_as(&owner, &format!("{organization}/projects"), json!({"name": "beside"})).await.made();
    let beside = format!("/v1/projects/{beside}");
    api.limit(&api.operator, &organization, json!({"networks": 2})).await.must(200);
    assert_eq!(
        api.limit(&owner, &project, json!({"networks": 3})).await.fault(),
        fault("/limits/networks", "quota_above")
    );
    assert_eq!(api.limit(&owner, &project, json!({"boats": 3})).await.fault(), fault("/limits/boats", "quota_unknown"));
    assert_eq!(api.limit(&owner, &project, json!({"users": 3})).await.fault(), fault("/limits/users", "quota_unknown"));
    assert_eq!(api.limit(&owner, &project, json!({"ports": -1})).await.fault(), fault("/limits/ports", "quota_range"));
    api.limit(&owner, &project, json!({"networks": 2})).await.must(200);
    api.limit(&api.member, &project, json!({"networks": 1})).await.problem("forbidden", 403);
    // Two in another project use up what the organization has, and this one is not told by whom.
    for _ in 0..2 {
        api.post_as(&owner, &format!("{beside}/networks"), json!({"name": "n"})).await.made();
    }
    let refused = api.post("networks", json!({"name": "n"})).await.problem("quota-exceeded", 409);
    let words = refused["detail"].as_str().unwrap();
    assert!(words.contains("networks of an organization above") && !words.contains('2'), "{words}");
    // No limit: nothing is refused.
    api.limit(&api.operator, &organization, json!({})).await.must(200);
    api.post("networks", json!({"name": "n"})).await.made();
}

#[tokio::test]
async fn a_crowd_gets_the_last_unit_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let organization = format!("/v1/organizations/{}", api.organization);
    let owner = api.token("boss", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let project = format!("/v1/projects/{}", api.project);
    let ground = api.ground("10.0.0.0/24").await;
    let beside = api.post_as(&owner, &format!("{organization}/projects"), json!({"name": "beside"})).await.made();
    api.limit(&api.operator, &organization, json!({"networks": 4, "instances": 3})).await.must(200);
    api.limit(&owner, &project, json!({"networks": 4, "instances": 3})).await.must(200);
    // From two projects, for what their organization has left: three networks.
    let paths = [api.at("networks"), format!("/v1/projects/{beside}/networks")];
    let asked = (0..CROWD).map(|n| api.post_as(&owner, &paths[n % 2], json!({"name": "n"})));
    let statuses: Vec<u16> = futures::future::join_all(asked).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    let asked = (0..CROWD).map(|_| api.post("instances", ground.request("vm")));
    let statuses: Vec<u16> = futures::future::join_all(asked).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert_eq!(api.quota(&owner, &organization, "networks").await["used"], 4);
    // And one name is had once.
    let key = json!({"name": "same", "public_key": KEY});
    let asked = (0..CROWD).map(|_| api.post("ssh-keys", key.clone()));
    let statuses: Vec<u16> = futures::future::join_all(asked).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
}

/// The rate of a project is that of all its callers together, and of nobody else.
#[tokio::test]
async fn a_project_asks_no_oftener_than_its_quota() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.token("boss", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let organization = format!("/v1/organizations/{}", api.organization);
    let beside = api.post_as(&owner, &format!("{organization}/projects"), json!({"name": "beside"})).await.made();
    let beside = format!("/v1/projects/{beside}");
    api.limit(&owner, &format!("/v1/projects/{}", api.project), json!({"api_requests_per_minute": 8})).await.must(200);
    let eventually_limited = crate::world::eventually("the limit acts", async || match api.get("networks").await {
        answer if answer.headers["ratelimit-policy"].to_str().unwrap().contains("\"project\";q=8;w=60") => Ok(answer),
        answer => Err(format!("{:?}", answer.headers)),
    });
    let answer = eventually_limited.await;
    let left = answer.headers["ratelimit"].to_str().unwrap();
    assert!(left.starts_with("\"caller\";r=") && left.contains(", \"project\";r="), "{left}");
    // Strangers use up nothing of it; two of its own callers share it.
    for _ in 0..20 {
        api.get_as(&api.stranger, &api.at("networks")).await.problem("not-found", 404);
    }
    let mut answers = Vec::new();
    for n in 0..10 {
        answers.push(api.get_as(if n % 2 == 0 { &owner } else { &api.member }, &api.at("networks")).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    // One was taken above, and one may have grown back each 7.5 s.
    assert_eq!(statuses[..5], [200; 5], "{statuses:?}");
    let refused = answers.last().unwrap();
    let problem = refused.problem("too-many-requests", 429);
    assert!(problem["detail"].as_str().unwrap().contains("of the project is 8"), "{problem}");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=8).contains(&wait), "{wait}");
    api.get_as(&owner, &format!("{beside}/networks")).await.must(200);
    // A limit above holds for what is below, and says nothing of others.
    api.limit(&api.operator, &organization, json!({"api_requests_per_minute": 8})).await.must(200);
    let limited = crate::world::eventually("the limit above acts", async || {
        match api.get_as(&owner, &format!("{beside}/networks")).await {
            answer if answer.status == 429 => Ok(answer),
            answer => Err(format!("{}", answer.status)),
        }
    });
    let limited = limited.await;
    let words = limited.problem("too-many-requests", 429)["detail"].as_str().unwrap().to_owned();
    assert!(words.contains("of an organization above") && !words.contains('8'), "{words}");
    assert!(!limited.headers["ratelimit-policy"].to_str().unwrap().contains("organization"), "{limited:?}");
}

#[tokio::test]
async fn what_is_new_gets_the_default_quotas() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let defaults = async |body| api.system(Method::PUT, "default-quotas", Some(body)).await;
    let nothing = json!({"organization": {}, "project": {}});
    assert_eq!(api.system(Method::GET, "default-quotas", None).await.must(200), nothing);
    let wrong = defaults(json!({"organization": {"instances": -1}, "project": {"unicorns": 1, "users": 1}})).await;
    let unknown = |name: &str| fault(&format!("/project/{name}"), "quota_unknown");
    assert_eq!(
        wrong.faults(),
        [fault("/organization/instances", "quota_range"), unknown("unicorns"), unknown("users")]
    );
    let some = json!({"organization": {"instances": 7, "users": 9}, "project": {"instances": 20, "networks": 2}});
    assert_eq!(defaults(some.clone()).await.must(200), some);
    assert_eq!(api.system(Method::GET, "default-quotas", None).await.must(200), some);

    // Those that are there keep what they have.
    let old = format!("/v1/projects/{}", api.project);
    assert!(api.quota(&api.member, &old, "networks").await.get("limit").is_none());
    // A new organization gets its own, a new project too, no more than there is above.
    let owner = json!({"username": "kwame", "password": PASSWORD});
    let body = json!({"name": "new", "owner": owner});
    let made = api.call(Method::POST, "/v1/organizations", Some(&api.operator), Some(body)).await.made();
    let organization = format!("/v1/organizations/{made}");
    let limit = async |path: &str, name: &str| api.quota(&api.operator, path, name).await["limit"].clone();
    assert_eq!((limit(&organization, "instances").await, limit(&organization, "users").await), (json!(7), json!(9)));
    let made = api
        .call(Method::POST, &format!("{organization}/projects"), Some(&api.operator), Some(json!({"name": "p"})))
        .await;
    let project = format!("/v1/projects/{}", made.made());
    assert_eq!((limit(&project, "instances").await, limit(&project, "networks").await), (json!(7), json!(2)));
    // They are its own quotas, which are set as any; other defaults leave them alone.
    api.limit(&api.operator, &project, json!({"networks": 5})).await.must(200);
    defaults(nothing).await.must(200);
    assert_eq!((limit(&project, "networks").await, limit(&organization, "users").await), (json!(5), json!(9)));
    let record = "SELECT count(*) FROM audit_record WHERE operation = 'default_quota_set' AND outcome = 'done'";
    assert_eq!(sqlx::query_scalar::<_, i64>(record).fetch_one(api.store.pool()).await.unwrap(), 2);
}
