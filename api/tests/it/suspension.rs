//! Suspending and purging: machines are kept off and come back, nothing is lost until it is asked for.

use crate::agent_link::world::{enrolled_host, place, vanish};
use crate::world::{Api, PASSWORD};
use iroko_model::{InstanceId, Role};
use iroko_scheduler::reconcile::{Placement, Purge, Reconcile};
use iroko_store::authority::Scope;
use iroko_store::desired::{Instances, instance_specs};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

impl Api {
    async fn owner(&self) -> String {
        self.token("boss", self.organization, Role::Owner, Scope::Organization(self.organization)).await
    }

    /// What the host of a machine is told.
    async fn told(&self, id: InstanceId) -> (String, u64) {
        let mut conn = self.store.connection().await.unwrap();
        let specs = instance_specs(&mut conn, Instances::Ids(&[id.as_uuid()])).await.unwrap();
        (specs[0].1.power.as_str().to_owned(), specs[0].1.generation)
    }

    /// Rows of the outbox about a machine.
    async fn rows_of(&self, id: InstanceId) -> i64 {
        let sql = "SELECT count(*) FROM change WHERE kind = 'instance' AND object_id = $1";
        sqlx::query_scalar(sql).bind(id.as_uuid()).fetch_one(self.store.pool()).await.unwrap()
    }
}

#[tokio::test]
async fn machines_are_kept_off_and_come_back() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.owner().await;
    let host = enrolled_host(&api, "host-1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let (running, stopped) = (api.instance(&ground).await, api.instance(&ground).await);
    for id in [running, stopped] {
        place(&api, id, host).await;
    }
    api.act(&format!("instances/{stopped}/stop")).await.must(202);
    let (waiting, rows) = (api.instance(&ground).await, api.rows_of(running).await);
    let project = format!("/v1/projects/{}", api.project);
    let path = |verb: &str| format!("{project}/{verb}");
    api.call(Method::POST, &path("suspend"), Some(&api.member), None).await.problem("forbidden", 403);
    for _ in 0..2 {
        let seen = api.call(Method::POST, &path("suspend"), Some(&owner), None).await.must(200);
        assert_eq!(seen["status"], "suspended");
    }
    assert_eq!(api.rows_of(running).await, rows + 1, "one row for it, and none for asking again");
    assert_eq!((api.told(running).await, api.told(stopped).await), (("stopped".into(), 2), ("stopped".into(), 2)));
    // Its members are refused and told why; whoever is above may look.
    api.get("instances").await.problem("suspended", 403);
    api.post("networks", json!({"name": "n"})).await.problem("suspended", 403);
    let seen = api.call(Method::GET, &api.at(&format!("instances/{running}")), Some(&owner), None).await.must(200);
    assert!(seen["status_reason"].as_str().unwrap().starts_with("suspended"), "{seen}");
    api.call(Method::POST, &api.at(&format!("instances/{running}/start")), Some(&owner), None)
        .await
        .problem("suspended", 403);
    let mine = api.call(Method::GET, "/v1/projects", Some(&api.member), None).await.must(200);
    assert_eq!(mine["items"], json!([]));
    // No host is found for one that waits.
    let mut scheduler = Placement::new(20.0);
    scheduler.pass(&api.store).await.unwrap();
    let waits = api.call(Method::GET, &api.at(&format!("instances/{waiting}")), Some(&owner), None).await.must(200);
    assert_eq!((waits["status"].as_str(), waits.get("host_id")), (Some("stopped"), None), "{waits}");

    let seen = api.call(Method::POST, &path("resume"), Some(&owner), None).await.must(200);
    assert_eq!(seen["status"], "active");
    assert_eq!((api.told(running).await, api.told(stopped).await), (("running".into(), 3), ("stopped".into(), 2)));
    scheduler.pass(&api.store).await.unwrap();
    assert_eq!(api.told(waiting).await.0, "running", "it was given a host at once");
    api.get("instances").await.must(200);
}

#[tokio::test]
async fn an_organization_takes_all_below_along() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.owner().await;
    let at = format!("/v1/organizations/{}", api.organization);
    let body = json!({"name": "Customer", "owner": {"username": "yao", "password": PASSWORD}});
    let customer = api.post_as(&owner, &format!("{at}/organizations"), body).await.made();
    let customer = format!("/v1/organizations/{customer}");
    let yao = api.log_in("yao").await;
    let project = api.post_as(&yao, &format!("{customer}/projects"), json!({"name": "p"})).await.made();
    let suspend = format!("{customer}/suspend");
    api.call(Method::POST, &suspend, Some(&yao), None).await.problem("forbidden", 403);
    api.call(Method::POST, &suspend, Some(&owner), None).await.must(200);
    // Their tokens and their log-ins.
    api.get_as(&yao, &format!("/v1/projects/{project}")).await.problem("suspended", 403);
    api.get_as(&yao, "/v1/flavors").await.problem("suspended", 403);
    let log_in = json!({"username": "yao", "password": PASSWORD});
    api.call(Method::POST, "/v1/auth/token", None, Some(log_in)).await.problem("suspended", 403);
    api.call(Method::POST, &format!("{customer}/resume"), Some(&owner), None).await.must(200);
    api.get_as(&yao, &format!("/v1/projects/{project}")).await.must(200);
    // Nobody locks themselves out.
    api.call(Method::POST, &format!("{at}/suspend"), Some(&api.operator), None).await.problem("conflict", 409);
    api.call(Method::DELETE, &format!("{at}?purge=true"), Some(&api.operator), None).await.problem("conflict", 409);
}

#[tokio::test]
async fn a_purge_goes_on_until_nothing_is_left() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.owner().await;
    let host = enrolled_host(&api, "host-1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let placed = api.instance(&ground).await;
    place(&api, placed, host).await;
    api.instance(&ground).await;
    let project = format!("/v1/projects/{}", api.project);
    let refused = api.delete_as(&owner, &project).await.problem("conflict", 409);
    let words = refused["detail"].as_str().unwrap();
    for part in ["2 instances", "2 ports", "1 subnets", "1 networks", "1 images", "?purge=true"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    api.delete_as(&api.member, &format!("{project}?purge=true")).await.problem("forbidden", 403);
    for _ in 0..2 {
        api.delete_as(&owner, &format!("{project}?purge=true")).await.must(202);
    }
    let status = async || api.get_as(&owner, &project).await.json()["status"].clone();
    assert_eq!(status().await, "purging");
    api.call(Method::POST, &format!("{project}/resume"), Some(&owner), None).await.problem("conflict", 409);
    // Its machine is on a host that has not said that it is gone.
    for _ in 0..3 {
        Purge.pass(&api.store).await.unwrap();
        assert_eq!(status().await, "purging");
    }
    assert_eq!(api.told(placed).await.0, "deleted");
    vanish(&api, placed).await;
    assert!(Purge.pass(&api.store).await.unwrap().done > 0);
    api.get_as(&owner, &project).await.problem("not-found", 404);
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM instance) + (SELECT count(*) FROM port) + (SELECT count(*) FROM network) + (SELECT count(*) FROM image)",
    )
    .fetch_one(api.store.pool())
    .await
    .unwrap();
    assert_eq!(left, 0);
    assert_eq!(Purge.pass(&api.store).await.unwrap().done, 0, "nothing more to do");
}

#[tokio::test]
async fn an_organization_is_purged_from_below() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let owner = api.owner().await;
    let at = format!("/v1/organizations/{}", api.organization);
    let body = json!({"name": "Customer", "owner": {"username": "yao", "password": PASSWORD}});
    let customer = api.post_as(&owner, &format!("{at}/organizations"), body).await.made();
    let customer = format!("/v1/organizations/{customer}");
    let yao = api.log_in("yao").await;
    let deeper = api.post_as(&yao, &format!("{customer}/organizations"), json!({"name": "deeper"})).await.made();
    let project = api.post_as(&yao, &format!("/v1/organizations/{deeper}/projects"), json!({"name": "p"})).await.made();
    api.post_as(&yao, &format!("/v1/projects/{project}/networks"), json!({"name": "n"})).await.made();
    let role = api
        .post_as(&yao, &format!("{customer}/roles"), json!({"name": "r", "permissions": ["image.read"]}))
        .await
        .made();
    let robot = api.post_as(&yao, &format!("{customer}/service-accounts"), json!({"name": "s"})).await.made();
    let given: Value = json!({"service_account_id": robot, "custom_role_id": role});
    api.post_as(&yao, &format!("/v1/projects/{project}/role-bindings"), given).await.made();
    let refused = api.delete_as(&owner, &customer).await.problem("conflict", 409);
    assert!(
        refused["detail"].as_str().unwrap().contains("1 organizations below it, 1 users, 1 service accounts, 1 roles"),
        "{refused}"
    );
    api.delete_as(&owner, &format!("{customer}?purge=true")).await.must(202);
    for _ in 0..4 {
        Purge.pass(&api.store).await.unwrap();
    }
    api.get_as(&owner, &customer).await.problem("not-found", 404);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM organization").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(left, 2, "the others stay");
}
