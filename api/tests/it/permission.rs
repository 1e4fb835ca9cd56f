//! What the caller may do, told before it is tried; and what somebody in a project knows of its organization.

use crate::world::Api;
use iroko_model::{Permission, Permissions, Role};
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

async fn told(api: &Api, path: &str, token: &str) -> Value {
    api.call(Method::GET, &format!("{path}/permissions"), Some(token), None).await.must(200)
}

fn names(permissions: Permissions) -> Value {
    json!(permissions.names())
}

#[tokio::test]
async fn permissions_are_those_of_every_role_as_far_as_the_key_allows() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (organization, project) =
        (format!("/v1/organizations/{}", api.organization), format!("/v1/projects/{}", api.project));
    let member = told(&api, &project, &api.member).await;
    assert_eq!(member, json!({"permissions": names(Role::Member.permissions()), "suspended": []}));
    for path in [&project, &organization] {
        let stranger = api.call(Method::GET, &format!("{path}/permissions"), Some(&api.stranger), None).await;
        stranger.problem("not-found", 404);
    }
    let owner = api.token("the-owner", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    for path in [&project, &organization] {
        assert_eq!(told(&api, path, &owner).await["permissions"], names(Role::Owner.permissions()));
    }

    let accounts = format!("{organization}/service-accounts");
    let robot = api.call(Method::POST, &accounts, Some(&owner), Some(json!({"name": "robot"}))).await.made();
    let binding = json!({"service_account_id": robot, "role": "admin"});
    api.call(Method::POST, &format!("{organization}/role-bindings"), Some(&owner), Some(binding)).await.made();
    let key = async |body: Value| {
        let path = format!("{accounts}/{robot}/api-keys");
        let made = api.call(Method::POST, &path, Some(&owner), Some(body)).await.must(201);
        made["key"].as_str().unwrap().to_owned()
    };
    let narrow = key(json!({"name": "narrow", "permissions": ["image.read", "host.read"]})).await;
    assert_eq!(told(&api, &project, &narrow).await["permissions"], json!(["image.read"]));
    let nothing = key(json!({"name": "nothing", "permissions": ["host.read"]})).await;
    api.call(Method::GET, &format!("{project}/permissions"), Some(&nothing), None).await.problem("not-found", 404);
    // Good in some networks only: it gives nobody what is good elsewhere.
    let bound = key(json!({"name": "bound", "source_networks": ["127.0.0.0/8"]})).await;
    let left = Role::Admin.permissions().iter().filter(|permission| !permission.gives_authority()).collect();
    assert_eq!(told(&api, &organization, &bound).await["permissions"], names(left));
    assert!(!left.has(Permission::ApiKeyCreate) && left.has(Permission::InstanceCreate));

    api.call(Method::POST, &format!("{project}/suspend"), Some(&owner), None).await.must(200);
    let member = told(&api, &project, &api.member).await;
    assert_eq!(member, json!({"permissions": [], "suspended": names(Role::Member.permissions())}));
    let above = told(&api, &project, &owner).await;
    assert!(above["permissions"].as_array().unwrap().contains(&json!("project.suspend")), "{above}");
    assert!(above["suspended"].as_array().unwrap().contains(&json!("instance.create")), "{above}");
}

#[tokio::test]
async fn a_project_names_its_organization() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let organization = format!("/v1/organizations/{}", api.organization);
    api.call(Method::GET, &organization, Some(&api.member), None).await.problem("not-found", 404);
    let owner = api.token("the-owner", api.organization, Role::Owner, Scope::Organization(api.organization)).await;
    let project = format!("/v1/projects/{}", api.project);
    for name in ["default", "renamed"] {
        api.call(Method::PATCH, &organization, Some(&owner), Some(json!({"name": name}))).await.must(200);
        for token in [&api.member, &owner] {
            let shown = api.call(Method::GET, &project, Some(token), None).await.must(200);
            assert_eq!(shown["organization_id"], json!(api.organization.to_string()));
            assert_eq!(shown["organization_name"], name);
        }
        for path in ["/v1/projects", &format!("{organization}/projects")] {
            let listed = api.call(Method::GET, path, Some(&owner), None).await.must(200);
            assert_eq!(listed["items"][0]["organization_name"], name, "{path}");
        }
    }
    let changed = api.call(Method::PATCH, &project, Some(&owner), Some(json!({"name": "archives"}))).await.must(200);
    assert_eq!(changed["organization_name"], "renamed");
    let made =
        api.call(Method::POST, &format!("{organization}/projects"), Some(&owner), Some(json!({"name": "new"}))).await;
    assert_eq!(made.must(201)["organization_name"], "renamed");
}
