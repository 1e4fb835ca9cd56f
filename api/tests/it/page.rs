//! Lists: pages that cover everything once, filters by name and label.

use crate::world::{Api, fault};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};

/// Names of all items, page by page.
async fn all(api: &Api, path: &str, limit: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = String::new();
    for _ in 0..100 {
        let page = api.get(&format!("{path}limit={limit}{cursor}")).await.must(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return names };
        assert_eq!(items.len(), limit, "only the last page is short");
        cursor = format!("&cursor={next}");
        // What comes meanwhile goes to the end and disturbs no page.
        if names.len() == limit {
            api.post("networks", json!({"name": "late"})).await.made();
        }
    }
    panic!("the pages do not end: {names:?}");
}

#[tokio::test]
async fn pages_cover_everything_once_in_order() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let names: Vec<String> = (0..7).map(|n| format!("n{n}")).collect();
    for name in &names {
        api.post("networks", json!({"name": name})).await.made();
    }
    for (limit, lates) in [(7, 0), (3, 1), (1, 2)] {
        let seen = all(&api, "networks?", limit).await;
        assert_eq!(seen[..7], names, "limit {limit}");
        assert!(seen[7..].iter().all(|name| name == "late") && seen.len() >= 7 + lates, "limit {limit}: {seen:?}");
    }
    assert_eq!(all(&api, "networks?name=n3&", 10).await, ["n3"]);
    for (query, pointer, rule) in [
        ("limit=0", "limit", "limit_range"),
        ("limit=1001", "limit", "limit_range"),
        ("cursor=x", "cursor", "cursor_form"),
        ("label=a", "label", "label_filter_form"),
    ] {
        assert_eq!(api.get(&format!("networks?{query}")).await.fault(), fault(pointer, rule));
    }
    assert_eq!(api.get("networks?limit=many").await.fault(), fault("limit", "value_type"));
    // What is not known is refused, wherever it is asked: a script deletes what a filtered list shows.
    for (path, parameter) in [
        ("networks?nmae=n3", "nmae"),
        ("networks?labels=role=web", "labels"),
        ("networks?sorted=name", "sorted"),
        ("instances?state=error", "state"),
        ("ports?network=x", "network"),
    ] {
        assert_eq!(api.get(path).await.fault(), fault(parameter, "parameter_unknown"), "{path}");
    }
    let one = api.get("networks?limit=1").await.must(200)["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&format!("networks/{one}?limit=1")).await.fault(), fault("limit", "parameter_unknown"));
    assert_eq!(api.get("networks?limit=1&limit=2").await.fault(), fault("limit", "parameter_repeated"));
}

#[tokio::test]
async fn labels_filter_every_kind_of_list() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let key = |n: usize| crate::world::KEY.replace("ama@lome", &format!("k{n}"));
    let kinds: [(&str, &dyn Fn(usize) -> Value); 6] = [
        ("networks", &|_| json!({"name": "a"})),
        ("subnets", &|n| json!({"name": "a", "network_id": ground.network, "cidr": format!("10.{}.0.0/24", n + 1)})),
        ("ports", &|_| json!({"name": "a", "network_id": ground.network})),
        ("images", &|_| json!({"name": "a", "disk_format": "raw"})),
        ("ssh-keys", &|n| json!({"name": format!("k{n}"), "public_key": key(n)})),
        ("instances", &|_| ground.request("a")),
    ];
    for (list, body) in kinds {
        for (n, labels) in [json!({"role": "web", "stage": "test"}), json!({"role": "web"}), json!({"role": "a=b"})]
            .into_iter()
            .enumerate()
        {
            let mut body = body(n);
            body["labels"] = labels;
            api.post(list, body).await.made();
        }
        for (filter, count) in
            [("role=web", 2), ("role=web,stage=test", 1), ("role=a%3Db", 1), ("role=db", 0), ("role=%00", 0)]
        {
            let found = api.get(&format!("{list}?label={filter}")).await.must(200);
            assert_eq!(found["items"].as_array().unwrap().len(), count, "{list} {filter}");
        }
    }
    let answer = api.call(Method::GET, "/v1/flavors?label=role%3Dweb", Some(&api.member), None).await;
    assert_eq!(answer.must(200)["items"], json!([]));
}
