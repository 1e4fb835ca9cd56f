//! Two projects: nothing of one can be seen, named or used by the other.

use crate::world::{Api, KEY, fault};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

impl Api {
    /// A path of the second project, as its member.
    async fn beside(&self, method: Method, path: &str, body: Option<Value>) -> crate::world::Answer {
        let path = format!("/v1/projects/{}/{path}", self.other);
        self.call(method, &path, Some(&self.stranger), body).await
    }
}

#[tokio::test]
async fn ids_of_one_project_name_nothing_in_the_other() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let subnet = api.get("subnets").await.must(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let key = api.post("ssh-keys", json!({"name": "ama", "public_key": KEY})).await.made();
    let port = api.post("ports", json!({"network_id": ground.network, "name": "p"})).await.made();
    let instance = api.instance(&ground).await;
    let things = [
        format!("images/{}", ground.image),
        format!("networks/{}", ground.network),
        format!("subnets/{subnet}"),
        format!("ssh-keys/{key}"),
        format!("ports/{port}"),
        format!("instances/{instance}"),
    ];
    for thing in &things {
        // By a member of the second, in the first and in the second; by a member of the first, in the second.
        for method in [Method::GET, Method::DELETE] {
            let (mine, theirs) = (api.at(thing), format!("/v1/projects/{}/{thing}", api.other));
            for (token, path) in [(&api.stranger, &mine), (&api.stranger, &theirs), (&api.member, &theirs)] {
                api.call(method.clone(), path, Some(token), None).await.problem("not-found", 404);
            }
        }
        api.get(thing).await.must(200);
        let list = thing.split('/').next().unwrap();
        assert_eq!(api.beside(Method::GET, list, None).await.must(200)["items"], json!([]), "{list}");
    }
    for action in ["start", "stop", "reboot"] {
        let path = format!("instances/{instance}/{action}");
        api.beside(Method::POST, &path, None).await.problem("not-found", 404);
    }
    api.beside(Method::GET, &format!("instances/{instance}/console-log"), None).await.problem("not-found", 404);
    assert_eq!(api.get(&format!("instances/{instance}")).await.must(200)["generation"], 1);
}

#[tokio::test]
async fn references_reach_into_no_other_project() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let key = api.post("ssh-keys", json!({"name": "ama", "public_key": KEY})).await.made();
    let port = api.post("ports", json!({"network_id": ground.network, "name": "p"})).await.made();
    // The second project's own image and network.
    let image = api.beside(Method::POST, "images", Some(json!({"name": "i", "disk_format": "raw"}))).await.made();
    let path = format!("/v1/projects/{}/images/{image}/file", api.other);
    api.send(api.request(Method::PUT, &path).bearer_auth(&api.stranger).body("bytes")).await.must(200);
    let network = api.beside(Method::POST, "networks", Some(json!({"name": "n"}))).await.made();
    let right = json!({"name": "vm", "flavor_id": ground.flavor, "image_id": image,
        "interfaces": [{"network_id": network}]});
    for (field, value, pointer) in [
        ("image_id", json!(ground.image), "/image_id"),
        ("interfaces", json!([{"network_id": network}, {"network_id": ground.network}]), "/interfaces/1/network_id"),
        ("interfaces", json!([{"port_id": port}]), "/interfaces/0/port_id"),
        ("ssh_key_ids", json!([key]), "/ssh_key_ids/0"),
    ] {
        let mut request = right.clone();
        request[field] = value;
        let answer = api.beside(Method::POST, "instances", Some(request)).await;
        assert_eq!(answer.fault(), fault(pointer, "reference_not_found"));
    }
    for (list, body) in [
        ("ports", json!({"network_id": ground.network, "name": "p"})),
        ("subnets", json!({"network_id": ground.network, "name": "s", "cidr": "10.7.0.0/24"})),
    ] {
        let answer = api.beside(Method::POST, list, Some(body)).await;
        assert_eq!(answer.fault(), fault("/network_id", "reference_not_found"), "{list}");
    }
    api.beside(Method::POST, "instances", Some(right)).await.made();
    assert_eq!(api.get("instances").await.must(200)["items"], json!([]));
}
