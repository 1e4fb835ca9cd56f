//! Organizations, people and roles: who can make what, and that nobody gets more than another has.

use crate::world::{Answer, Api, PASSWORD, fault};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

impl Api {
    pub async fn log_in(&self, username: &str) -> String {
        let body = json!({"username": username, "password": PASSWORD});
        let answer = self.call(Method::POST, "/v1/auth/token", None, Some(body)).await.must(200);
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn post_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(token), Some(body)).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.call(Method::GET, path, Some(token), None).await
    }

    pub async fn delete_as(&self, token: &str, path: &str) -> Answer {
        self.call(Method::DELETE, path, Some(token), None).await
    }

    pub async fn patch_as(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(token), Some(body)).await
    }

    /// A user of the organization, without roles; their id.
    async fn user(&self, token: &str, organization: &str, username: &str) -> String {
        let body = json!({"username": username, "password": PASSWORD});
        self.post_as(token, &format!("{organization}/users"), body).await.made()
    }
}

/// An organization with an owner who has logged in: its path, and their token.
async fn ministry(api: &Api, name: &str, owner: &str) -> (String, String) {
    let body = json!({"name": name, "owner": {"username": owner, "password": PASSWORD}});
    let id = api.call(Method::POST, "/v1/organizations", Some(&api.operator), Some(body)).await.made();
    (format!("/v1/organizations/{id}"), api.log_in(owner).await)
}

#[tokio::test]
async fn an_owner_runs_an_organization() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (org, ama) = ministry(&api, "Finances", "ama").await;
    let me = api.get_as(&ama, "/v1/auth/me").await.must(200);
    assert_eq!(
        (me["name"].as_str(), me["kind"].as_str(), me["roles"][0]["role"].as_str()),
        (Some("ama"), Some("user"), Some("owner"))
    );
    let project = api
        .post_as(&ama, &format!("{org}/projects"), json!({"name": "archives", "labels": {"a": "b"}}))
        .await
        .must(201);
    let at = format!("/v1/projects/{}", project["id"].as_str().unwrap());
    assert_eq!(api.get_as(&ama, &at).await.must(200), project);
    assert_eq!(api.get_as(&ama, "/v1/projects").await.must(200)["items"], json!([project]));
    assert_eq!(api.get_as(&ama, &format!("{org}/projects?label=a%3Db")).await.must(200)["items"], json!([project]));
    api.post_as(&ama, &format!("{org}/projects"), json!({"name": "archives"})).await.problem("conflict", 409);
    let renamed = api.patch_as(&ama, &at, json!({"name": "registers"})).await.must(200);
    assert_eq!(
        (&renamed["name"], &renamed["generation"], &renamed["labels"]),
        (&json!("registers"), &json!(2), &json!({"a": "b"}))
    );

    // Whoever has seen an older one is told.
    let stale =
        api.request(Method::PATCH, &at).bearer_auth(&ama).header("if-match", "\"1\"").json(&json!({"name": "late"}));
    assert_eq!(api.send(stale).await.status, 412);
    let fresh = api.get_as(&ama, &at).await.headers["etag"].clone();
    let fresh =
        api.request(Method::PATCH, &at).bearer_auth(&ama).header("if-match", fresh).json(&json!({"name": "archives"}));
    assert_eq!(api.send(fresh).await.must(200)["generation"], 3);

    // A user may do nothing before a role is given, directly or to a group they are in.
    let esi = api.user(&ama, &org, "esi").await;
    let token = api.log_in("esi").await;
    api.get_as(&token, &at).await.problem("not-found", 404);
    let group = api.post_as(&ama, &format!("{org}/groups"), json!({"name": "net"})).await.made();
    let binding = json!({"group_id": group, "role": "reader"});
    api.post_as(&ama, &format!("{at}/role-bindings"), binding.clone()).await.made();
    api.post_as(&ama, &format!("{at}/role-bindings"), binding).await.problem("conflict", 409);
    api.get_as(&token, &at).await.problem("not-found", 404);
    let member = format!("{org}/groups/{group}/members/{esi}");
    for _ in 0..2 {
        api.call(Method::PUT, &member, Some(&ama), None).await.must(204);
    }
    api.get_as(&token, &at).await.must(200);
    assert_eq!(
        api.get_as(&ama, &format!("{org}/groups/{group}/members")).await.must(200)["items"][0]["username"],
        "esi"
    );
    let refused = api.post_as(&token, &format!("{at}/networks"), json!({"name": "n"})).await.problem("forbidden", 403);
    let words = refused["detail"].as_str().unwrap();
    assert!(words.contains("network.create") && words.contains("member, admin, owner"), "{words}");
    // What was given is taken away at once, with the token they have.
    api.delete_as(&ama, &member).await.must(204);
    api.get_as(&token, &at).await.problem("not-found", 404);
    let given =
        api.post_as(&ama, &format!("{org}/role-bindings"), json!({"user_id": esi, "role": "member"})).await.made();
    api.post_as(&token, &format!("{at}/networks"), json!({"name": "n"})).await.made();
    let listed = api.get_as(&ama, &format!("{org}/role-bindings")).await.must(200);
    assert!(listed["items"].as_array().unwrap().iter().any(|item| item["id"] == *given), "{listed}");
    api.delete_as(&ama, &format!("{org}/role-bindings/{given}")).await.must(204);
    api.get_as(&token, &at).await.problem("not-found", 404);
    // A disabled user's token counts no more.
    let disabled = api.patch_as(&ama, &format!("{org}/users/{esi}"), json!({"disabled": true})).await.must(200);
    assert_eq!(disabled["disabled"], true);
    api.get_as(&token, "/v1/flavors").await.problem("unauthorized", 401);
    let again = json!({"username": "esi", "password": PASSWORD});
    api.call(Method::POST, "/v1/auth/token", None, Some(again)).await.problem("unauthorized", 401);
    api.delete_as(&ama, &format!("{org}/users/{esi}")).await.must(204);
    api.get_as(&ama, &format!("{org}/users/{esi}")).await.problem("not-found", 404);
    api.delete_as(&ama, &at).await.problem("conflict", 409);
    assert_eq!(api.get_as(&ama, "/v1/organizations").await.must(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (org, ama) = ministry(&api, "Finances", "ama").await;
    let (kofi, esi) = (api.user(&ama, &org, "kofi.a").await, api.user(&ama, &org, "esi").await);
    let bindings = format!("{org}/role-bindings");
    api.post_as(&ama, &bindings, json!({"user_id": kofi, "role": "admin"})).await.made();
    let admin = api.log_in("kofi.a").await;
    api.post_as(&admin, &bindings, json!({"user_id": esi, "role": "owner"})).await.problem("forbidden", 403);
    api.post_as(&admin, &bindings, json!({"user_id": kofi, "role": "owner"})).await.problem("forbidden", 403);
    let owner = json!({"name": "all", "permissions": ["organization.delete"]});
    api.post_as(&admin, &format!("{org}/roles"), owner.clone()).await.problem("forbidden", 403);
    // An owner's role, group and person are not an admin's to touch.
    let role = api.post_as(&ama, &format!("{org}/roles"), owner).await.made();
    api.post_as(&admin, &bindings, json!({"user_id": kofi, "custom_role_id": role})).await.problem("forbidden", 403);
    let less = json!({"permissions": ["image.read"]});
    api.patch_as(&admin, &format!("{org}/roles/{role}"), less).await.problem("forbidden", 403);
    let group = api.post_as(&ama, &format!("{org}/groups"), json!({"name": "owners"})).await.made();
    api.post_as(&ama, &bindings, json!({"group_id": group, "role": "owner"})).await.made();
    let join = format!("{org}/groups/{group}/members/{kofi}");
    api.call(Method::PUT, &join, Some(&admin), None).await.problem("forbidden", 403);
    api.delete_as(&admin, &format!("{org}/groups/{group}")).await.problem("forbidden", 403);
    let users = api.get_as(&admin, &format!("{org}/users?name=ama")).await.must(200);
    let path = format!("{org}/users/{}", users["items"][0]["id"].as_str().unwrap());
    api.patch_as(&admin, &path, json!({"disabled": true})).await.problem("forbidden", 403);
    api.delete_as(&admin, &path).await.problem("forbidden", 403);
    let held = api.get_as(&admin, &bindings).await.must(200);
    let of_owner = held["items"].as_array().unwrap().iter().find(|item| item["role"] == "owner").unwrap();
    api.delete_as(&admin, &format!("{bindings}/{}", of_owner["id"].as_str().unwrap())).await.problem("forbidden", 403);
    // Less, they may.
    let watch = json!({"name": "watch", "permissions": ["instance.read", "instance.power"]});
    let watch = api.post_as(&admin, &format!("{org}/roles"), watch).await.made();
    api.post_as(&admin, &bindings, json!({"user_id": esi, "custom_role_id": watch})).await.made();
    api.delete_as(&admin, &format!("{org}/roles/{watch}")).await.problem("conflict", 409);
    // An operator makes operators and auditors of the system, and nobody a member.
    let (operator, system) = (&api.operator, "/v1/system/role-bindings");
    api.post_as(operator, &bindings, json!({"user_id": esi, "role": "member"})).await.problem("forbidden", 403);
    api.post_as(operator, system, json!({"user_id": esi, "role": "owner"})).await.problem("conflict", 409);
    assert_eq!(
        api.post_as(&ama, &bindings, json!({"user_id": esi, "role": "operator"})).await.fault(),
        fault("/role", "role_scope")
    );
    api.post_as(operator, system, json!({"user_id": esi, "role": "auditor"})).await.made();
    let auditor = api.log_in("esi").await;
    api.get_as(&auditor, "/v1/system/hosts").await.must(200);
    api.post_as(&auditor, "/v1/system/flavors", json!({})).await.problem("forbidden", 403);
    for (body, pointer, rule) in [
        (json!({"role": "reader"}), "", "holder_one"),
        (json!({"user_id": esi, "group_id": group, "role": "reader"}), "", "holder_one"),
        (json!({"user_id": esi}), "", "role_one"),
        (json!({"user_id": esi, "role": "king"}), "/role", "role_unknown"),
        (json!({"user_id": Uuid::now_v7(), "role": "reader"}), "/user_id", "reference_not_found"),
        (json!({"user_id": esi, "custom_role_id": Uuid::now_v7()}), "/custom_role_id", "reference_not_found"),
    ] {
        assert_eq!(api.post_as(&ama, &bindings, body.clone()).await.fault(), fault(pointer, rule), "{body}");
    }
    let unknown = json!({"name": "x", "permissions": ["image.read", "image.eat"]});
    assert_eq!(
        api.post_as(&ama, &format!("{org}/roles"), unknown).await.fault(),
        fault("/permissions/1", "permission_unknown")
    );
}

#[tokio::test]
async fn an_organization_keeps_its_last_owner() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (org, ama) = ministry(&api, "Finances", "ama").await;
    let bindings = format!("{org}/role-bindings");
    let first = api.get_as(&ama, &bindings).await.must(200)["items"][0].clone();
    let (first, ama_id) = (first["id"].as_str().unwrap().to_owned(), first["user_id"].as_str().unwrap().to_owned());
    let me = format!("{org}/users/{ama_id}");
    api.delete_as(&ama, &format!("{bindings}/{first}")).await.problem("conflict", 409);
    api.delete_as(&ama, &me).await.problem("conflict", 409);
    api.patch_as(&ama, &me, json!({"disabled": true})).await.problem("conflict", 409);
    // Two owners leave at once: one of them stays.
    let esi = api.user(&ama, &org, "esi").await;
    let second = api.post_as(&ama, &bindings, json!({"user_id": esi, "role": "owner"})).await.made();
    let token = api.log_in("esi").await;
    let (mine, theirs) = (format!("{bindings}/{first}"), format!("{bindings}/{second}"));
    let (a, b) = tokio::join!(api.delete_as(&ama, &mine), api.delete_as(&token, &theirs));
    let mut got = [a.status, b.status];
    got.sort_unstable();
    assert_eq!(got, [204, 409], "{a:?} {b:?}");
    let stays = if a.status == 409 { &ama } else { &token };
    api.get_as(stays, &org).await.must(200);
}

#[tokio::test]
async fn organizations_do_not_know_of_each_other() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (host, ama) = ministry(&api, "Hoster", "ama").await;
    let (other, esi) = ministry(&api, "Other", "esi").await;
    // The hoster makes and runs customers; the customer does not see it, nor its other customers.
    let body = json!({"name": "Customer", "owner": {"username": "yao", "password": PASSWORD}});
    let customer = api.post_as(&ama, &format!("{host}/organizations"), body.clone()).await.must(201);
    assert_eq!(format!("/v1/organizations/{}", customer["parent_id"].as_str().unwrap()), host);
    let at = format!("/v1/organizations/{}", customer["id"].as_str().unwrap());
    api.post_as(&ama, &format!("{host}/organizations"), json!({"name": "Customer"})).await.problem("conflict", 409);
    // Elsewhere the same name says nothing of it.
    api.post_as(&esi, &format!("{other}/organizations"), json!({"name": "Customer"})).await.made();
    let yao = api.log_in("yao").await;
    let project = api.post_as(&yao, &format!("{at}/projects"), json!({"name": "p"})).await.made();
    let project = format!("/v1/projects/{project}");
    for (token, path, status) in [
        (&yao, &host, 404),
        (&yao, &other, 404),
        (&esi, &at, 404),
        (&esi, &project, 404),
        (&ama, &at, 200),
        (&ama, &project, 200),
        (&yao, &project, 200),
    ] {
        assert_eq!(api.get_as(token, path).await.status, status, "{path}");
    }
    assert_eq!(api.get_as(&ama, &format!("{host}/organizations")).await.must(200)["items"], json!([customer]));
    // A taken user name tells that, and nothing else.
    let taken = api.post_as(&esi, &format!("{other}/users"), json!({"username": "yao", "password": PASSWORD})).await;
    assert_eq!(taken.fault(), fault("/username", "username_taken"));
    for secret in ["Customer", "Hoster", customer["id"].as_str().unwrap()] {
        assert!(!taken.text.contains(secret), "{}", taken.text);
    }
    // Nobody of elsewhere can be bound, and no role of elsewhere.
    let yao_id = api.get_as(&yao, "/v1/auth/me").await.must(200)["id"].clone();
    let bind = json!({"user_id": yao_id, "role": "reader"});
    assert_eq!(
        api.post_as(&esi, &format!("{other}/role-bindings"), bind).await.fault(),
        fault("/user_id", "reference_not_found")
    );
    // A customer is deleted by the hoster, not by itself.
    api.delete_as(&yao, &at).await.problem("forbidden", 403);
    api.delete_as(&ama, &at).await.problem("conflict", 409);
    api.delete_as(&ama, &project).await.must(204);
    // At the top and eight deep, the tree ends.
    let mut below = at;
    for depth in 3..=8 {
        let made =
            api.post_as(&ama, &format!("{below}/organizations"), json!({"name": depth.to_string()})).await.made();
        below = format!("/v1/organizations/{made}");
    }
    api.post_as(&ama, &format!("{below}/organizations"), json!({"name": "nine"})).await.problem("conflict", 409);
    api.delete_as(&ama, &below).await.must(204);
}

#[tokio::test]
async fn an_operator_sees_no_secret_of_a_tenant() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let mut request = ground.request("vm");
    request["user_data"] = json!("#cloud-config\npassword: secret\n");
    let id = api.post("instances", request).await.made();
    let at = api.at(&format!("instances/{id}"));
    let auditor = api.token("watcher", api.organization, Role::Auditor, Scope::Organization(api.organization)).await;
    for token in [&api.operator, &auditor] {
        let seen = api.get_as(token, &at).await.must(200);
        assert!(!seen.to_string().contains("secret"), "{seen}");
        api.get_as(token, &format!("{at}/user-data")).await.problem("forbidden", 403);
        api.get_as(token, &format!("{at}/console-log")).await.problem("forbidden", 403);
    }
    let own = api.get(&format!("instances/{id}/user-data")).await.must(200);
    assert_eq!(own["user_data"], "#cloud-config\npassword: secret\n");
    api.get_as(&api.operator, &api.at("ssh-keys")).await.problem("forbidden", 403);
}

#[tokio::test]
async fn people_and_roles_are_listed_and_changed_as_other_nouns_are() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (org, ama) = ministry(&api, "Finances", "ama").await;
    let group = api.post_as(&ama, &format!("{org}/groups"), json!({"name": "night"})).await.made();
    let watch = json!({"name": "watch", "permissions": ["instance.read"], "labels": {"a": "1"}});
    let esi = json!({"username": "esi", "password": PASSWORD, "description": "porter", "labels": {"a": "1"}});
    for (noun, body, named) in [("roles", watch, "watch"), ("users", esi, "esi")] {
        let made = api.post_as(&ama, &format!("{org}/{noun}"), body).await.must(201);
        let at = format!("{org}/{noun}/{}", made["id"].as_str().unwrap());
        let change = json!({"description": "of nights", "labels": {"b": "2"}});
        let changed = api.patch_as(&ama, &at, change).await.must(200);
        assert_eq!((&changed["description"], &changed["generation"]), (&json!("of nights"), &json!(2)));
        assert_eq!(changed["labels"], json!({"a": "1", "b": "2"}), "labels are merged key by key");
        assert_eq!(api.patch_as(&ama, &at, json!({"labels": {"b": "2"}})).await.must(200)["generation"], 2);
        let stale = api.request(Method::PATCH, &at).bearer_auth(&ama).header("if-match", "\"1-0\"");
        api.send(stale.json(&json!({"description": ""}))).await.problem("precondition-failed", 412);
        let query = format!("{org}/{noun}?name_contains={}&label=b=2&total=true&sort=-name", &named[1..]);
        let listed = api.get_as(&ama, &query).await.must(200);
        assert_eq!((&listed["items"], &listed["total"]), (&json!([changed]), &json!(1)));
    }
    let project = json!({"name": "archives", "labels": {"a": "1"}});
    let project = api.post_as(&ama, &format!("{org}/projects"), project).await.made();
    api.patch_as(&ama, &org, json!({"labels": {"a": "1"}})).await.must(200);
    for at in [format!("/v1/projects/{project}"), org.clone()] {
        let before = api.get_as(&ama, &at).await.must(200)["generation"].as_i64().unwrap();
        let change = json!({"description": "of nights", "labels": {"b": "2"}});
        let changed = api.patch_as(&ama, &at, change.clone()).await.must(200);
        assert_eq!(
            (&changed["description"], &changed["labels"]),
            (&change["description"], &json!({"a": "1", "b": "2"}))
        );
        assert_eq!(api.patch_as(&ama, &at, change).await.must(200)["generation"], before + 1, "nothing more changes");
        assert_eq!(api.patch_as(&ama, &at, json!({"name": null})).await.fault(), fault("/name", "field_missing"));
    }
    let user = &api.get_as(&ama, &format!("{org}/users?name=esi")).await.must(200)["items"][0];
    let join = format!("{org}/groups/{group}/members/{}", user["id"].as_str().unwrap());
    api.call(Method::PUT, &join, Some(&ama), None).await.must(204);
    for query in [format!("users?group_id={group}"), format!("groups/{group}/members"), "users?name=esi".to_owned()] {
        assert_eq!(api.get_as(&ama, &format!("{org}/{query}")).await.must(200)["items"], json!([user]), "{query}");
    }
    let disabled = async |is: bool| {
        let listed = api.get_as(&ama, &format!("{org}/users?disabled={is}")).await.must(200);
        listed["items"].as_array().unwrap().len()
    };
    assert_eq!((disabled(true).await, disabled(false).await), (0, 2));
}
