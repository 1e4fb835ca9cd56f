//! What the operations on nouns do alike, shown for each noun of a table: make, show, list with filters, sort and total, change,
//! compare, refuse, record, delete. A noun that is written over the kit adds its row here.

use crate::world::{Api, fault};
use iroko_test_database::database;
use reqwest::Method;
use reqwest::header::{ETAG, IF_MATCH, LOCATION};
use serde_json::{Value, json};

/// A noun of a project.
struct Noun {
    /// As events and audit call it.
    name: &'static str,
    /// The last part of its path.
    path: &'static str,
    /// What is asked for, without a name; `n` makes it another one.
    body: fn(n: usize, api: &Ground) -> Value,
    /// Its name is unique in the project.
    unique: bool,
    /// The quota on how many there are.
    quota: &'static str,
    /// Changes hosts hear of make a generation of their own; where people write on it only, it is 1, 2, 3.
    counts: bool,
}

/// What the nouns need.
struct Ground {
    network: String,
}

const NOUNS: &[Noun] = &[
    Noun { name: "network", path: "networks", body: |_, _| json!({}), unique: false, quota: "networks", counts: true },
    Noun {
        name: "subnet",
        path: "subnets",
        body: |n, ground| json!({"network_id": ground.network, "cidr": format!("10.9.{n}.0/24")}),
        unique: false,
        quota: "subnets",
        counts: true,
    },
    Noun {
        name: "security_group",
        path: "security-groups",
        body: |_, _| json!({"stateful": false}),
        unique: true,
        quota: "security_groups",
        counts: true,
    },
    Noun {
        name: "address_set",
        path: "address-sets",
        body: |n, _| json!({"cidrs": [format!("198.51.{n}.0/24")]}),
        unique: true,
        quota: "address_sets",
        counts: true,
    },
    Noun {
        name: "qos_policy",
        path: "qos-policies",
        body: |n, _| json!({"network_limits": {"egress_kbit_s": 1000 + n}}),
        unique: true,
        quota: "qos_policies",
        counts: true,
    },
    Noun {
        name: "image",
        path: "images",
        body: |_, _| json!({"disk_format": "raw"}),
        unique: false,
        quota: "images",
        counts: true,
    },
    Noun {
        name: "ssh_key",
        path: "ssh-keys",
        body: |_, _| json!({"public_key": crate::world::KEY}),
        unique: true,
        quota: "ssh_keys",
        counts: true,
    },
];

impl Noun {
    fn request(&self, n: usize, ground: &Ground, name: &str) -> Value {
        let mut body = (self.body)(n, ground);
        body["name"] = name.into();
        body["labels"] = json!({"suite": "conformance", "n": n.to_string()});
        body
    }

    fn one(&self, id: &str) -> String {
        format!("{}/{id}", self.path)
    }
}

#[tokio::test]
async fn every_noun_does_what_nouns_do() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ground = Ground { network: api.post("networks", json!({"name": "ground"})).await.made() };
    for noun in NOUNS {
        let id = made_shown_and_located(&api, noun, &ground).await;
        listed(&api, noun, &ground).await;
        changed(&api, noun, &id).await;
        compared(&api, noun, &id).await;
        refused(&api, noun, &ground, &id).await;
        hidden(&api, noun, &id).await;
        recorded(&api, noun, &id).await;
        limited(&api, noun, &ground).await;
        deleted(&api, noun, &id).await;
    }
}

async fn made_shown_and_located(api: &Api, noun: &Noun, ground: &Ground) -> String {
    let made = api.post(noun.path, noun.request(0, ground, "conform-b")).await;
    let id = made.made();
    let shown = api.get(&noun.one(&id)).await;
    assert_eq!(shown.must(200), made.json(), "{}: shown as it was made", noun.name);
    assert_eq!(made.headers[LOCATION].to_str().unwrap(), api.at(&noun.one(&id)), "{}", noun.name);
    assert_eq!(made.headers[ETAG], shown.headers[ETAG], "{}", noun.name);
    let body = shown.json();
    for field in ["id", "name", "description", "labels", "generation", "created_at", "updated_at", "project_id"] {
        assert!(!body[field].is_null(), "{} shows no {field}: {body}", noun.name);
    }
    id
}

async fn listed(api: &Api, noun: &Noun, ground: &Ground) {
    for (n, name) in [(1, "conform-a"), (2, "conform-c")] {
        api.post(noun.path, noun.request(n, ground, name)).await.made();
    }
    let names = async |query: &str| -> Vec<String> {
        let list = api.get(&format!("{}?{query}", noun.path)).await.must(200);
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = "label=suite=conformance";
    assert_eq!(names(all).await, ["conform-b", "conform-a", "conform-c"], "{}: oldest first", noun.name);
    for (query, expected) in [
        ("sort=-created_at", ["conform-c", "conform-a", "conform-b"]),
        ("sort=name", ["conform-a", "conform-b", "conform-c"]),
        ("sort=-name", ["conform-c", "conform-b", "conform-a"]),
    ] {
        assert_eq!(names(&format!("{all}&{query}")).await, expected, "{} {query}", noun.name);
        assert_eq!(paged(api, noun, &format!("{all}&{query}")).await, expected, "{} {query} in pages", noun.name);
    }
    assert_eq!(names("name=conform-a").await, ["conform-a"], "{}", noun.name);
    assert_eq!(names("name_contains=FORM-C").await, ["conform-c"], "{}", noun.name);
    assert_eq!(names("label=n=2,suite=conformance").await, ["conform-c"], "{}", noun.name);
    let list = api.get(&format!("{}?{all}&total=true&limit=1", noun.path)).await.must(200);
    assert_eq!((&list["total"], list["items"].as_array().unwrap().len()), (&json!(3), 1), "{}", noun.name);
    let ids = list["items"][0]["id"].as_str().unwrap();
    assert_eq!(names(&format!("id={ids}")).await, ["conform-b"], "{}", noun.name);
    for (query, pointer, rule) in [
        ("sort=colour", "sort", "value_unknown"),
        ("limit=0", "limit", "limit_range"),
        ("total=perhaps", "total", "value_type"),
        ("id=x", "id", "value_type"),
        ("cursor=!", "cursor", "cursor_form"),
        ("colour=red", "colour", "parameter_unknown"),
    ] {
        assert_eq!(api.get(&format!("{}?{query}", noun.path)).await.fault(), fault(pointer, rule), "{}", noun.name);
    }
    let cursor = list["next_cursor"].as_str().unwrap();
    let other = api.get(&format!("{}?sort=name&cursor={cursor}", noun.path)).await;
    assert_eq!(other.fault(), fault("cursor", "cursor_order"));
}

async fn paged(api: &Api, noun: &Noun, query: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{}?{query}&limit=1{cursor}", noun.path)).await.must(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return names };
        assert!(names.len() < 10, "{}: pages without end", noun.name);
        cursor = format!("&cursor={next}");
    }
}

async fn patch(api: &Api, noun: &Noun, id: &str, body: Value) -> crate::world::Answer {
    api.call(Method::PATCH, &api.at(&noun.one(id)), Some(&api.member), Some(body)).await
}

async fn changed(api: &Api, noun: &Noun, id: &str) {
    let before = api.get(&noun.one(id)).await.must(200);
    let change = json!({"description": "as it is", "labels": {"n": null, "more": "1"}});
    let answer = patch(api, noun, id, change).await;
    let after = answer.must(200);
    assert_eq!(after["description"], "as it is", "{}", noun.name);
    assert_eq!(after["labels"], json!({"suite": "conformance", "more": "1"}), "{}: labels are merged", noun.name);
    let grown = after["generation"].as_i64().unwrap() - before["generation"].as_i64().unwrap();
    assert!(!noun.counts || grown == 1, "{}: {grown}", noun.name);
    assert!(after["updated_at"].as_str() > before["updated_at"].as_str(), "{}", noun.name);
    let shown = api.get(&noun.one(id)).await;
    assert_eq!((shown.must(200), &shown.headers[ETAG]), (after.clone(), &answer.headers[ETAG]), "{}", noun.name);
    assert_eq!(patch(api, noun, id, json!({"description": "as it is"})).await.must(200), after, "nothing changes");
    let media = api.request(Method::PATCH, &api.at(&noun.one(id))).bearer_auth(&api.member);
    let media = media.header("content-type", "application/merge-patch+json").body(r#"{"description": null}"#);
    assert_eq!(api.send(media).await.must(200)["description"], "", "{}: null takes away", noun.name);
}

async fn compared(api: &Api, noun: &Noun, id: &str) {
    let tag = api.get(&noun.one(id)).await.headers[ETAG].clone();
    let with = async |method: Method, tag: &str, body: Option<Value>| {
        let request = api.request(method, &api.at(&noun.one(id))).bearer_auth(&api.member).header(IF_MATCH, tag);
        api.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    let body = || Some(json!({"description": "compared"}));
    with(Method::PATCH, "\"77-00\"", body()).await.problem("precondition-failed", 412);
    with(Method::DELETE, "\"77-00\"", None).await.problem("precondition-failed", 412);
    with(Method::PATCH, tag.to_str().unwrap(), body()).await.must(200);
    with(Method::PATCH, tag.to_str().unwrap(), body()).await.problem("precondition-failed", 412);
}

async fn refused(api: &Api, noun: &Noun, ground: &Ground, id: &str) {
    let mut wrong = noun.request(9, ground, "");
    wrong["labels"] = json!({"a b": "x"});
    wrong["description"] = "a\nb".into();
    let mut faults = api.post(noun.path, wrong).await.faults();
    faults.retain(|(pointer, _)| ["/name", "/labels", "/description"].contains(&pointer.as_str()));
    let all =
        [fault("/description", "description_form"), fault("/labels", "label_key_form"), fault("/name", "name_empty")];
    assert_eq!(faults, all, "{}: all faults at once", noun.name);
    let mut unknown = noun.request(9, ground, "x");
    unknown["colour"] = "red".into();
    assert_eq!(api.post(noun.path, unknown).await.fault(), fault("/colour", "field_unknown"), "{}", noun.name);
    for (body, expected) in [
        (json!({"name": null}), fault("/name", "field_missing")),
        (json!({"name": 7}), fault("/name", "value_type")),
        (json!({"colour": "red"}), fault("/colour", "field_unknown")),
    ] {
        assert_eq!(patch(api, noun, id, body).await.fault(), expected, "{}", noun.name);
    }
    patch(api, noun, id, json!([])).await.problem("bad-request", 400);
    if noun.unique {
        for answer in [
            api.post(noun.path, noun.request(8, ground, "conform-a")).await,
            patch(api, noun, id, json!({"name": "conform-a"})).await,
        ] {
            let problem = answer.problem("conflict", 409);
            assert_eq!(
                (&problem["rule"], &problem["retryable"]),
                (&json!("name_taken"), &json!(false)),
                "{}",
                noun.name
            );
        }
    }
}

async fn hidden(api: &Api, noun: &Noun, id: &str) {
    let theirs = format!("/v1/projects/{}/{}/{id}", api.other, noun.path);
    for (method, body) in
        [(Method::GET, None), (Method::PATCH, Some(json!({"description": "x"}))), (Method::DELETE, None)]
    {
        api.call(method.clone(), &theirs, Some(&api.stranger), body.clone()).await.problem("not-found", 404);
        let path = api.at(&noun.one(id));
        api.call(method, &path, Some(&api.stranger), body).await.problem("not-found", 404);
    }
    let path = format!("/v1/projects/{}/{}?id={id}", api.other, noun.path);
    let list = api.call(Method::GET, &path, Some(&api.stranger), None);
    assert_eq!(list.await.must(200)["items"], json!([]), "{}", noun.name);
}

async fn recorded(api: &Api, noun: &Noun, id: &str) {
    let id: uuid::Uuid = id.parse().unwrap();
    let events = "SELECT verb, ARRAY(SELECT jsonb_object_keys(after)) FROM event WHERE noun = $1 AND object_id = $2 ORDER BY revision, seq";
    let events: Vec<(String, Vec<String>)> =
        sqlx::query_as(events).bind(noun.name).bind(id).fetch_all(api.store.pool()).await.unwrap();
    assert_eq!(events[0].0, "created", "{}: {events:?}", noun.name);
    let shown = api.get(&noun.one(&id.to_string())).await.must(200);
    for field in events.iter().flat_map(|(_, fields)| fields) {
        let top = field.split('.').next().unwrap();
        let is_limit = noun.name == "qos_policy";
        assert!(is_limit || shown.get(top).is_some(), "{}: the event names {field}, which nobody is shown", noun.name);
    }
    let changed = events.iter().filter(|(verb, _)| verb == "changed").count();
    assert!(changed >= 3, "{}: {events:?}", noun.name);
    let records = "SELECT count(*) FROM audit_record WHERE operation = $1";
    for verb in ["create", "update"] {
        let operation = format!("{}_{verb}", noun.name);
        let (records,): (i64,) = sqlx::query_as(records).bind(&operation).fetch_one(api.store.pool()).await.unwrap();
        assert!(records > 0, "{operation} is not in the audit log");
    }
}

async fn limited(api: &Api, noun: &Noun, ground: &Ground) {
    let quotas = format!("/v1/projects/{}/quotas", api.project);
    let seen = api.call(Method::GET, &quotas, Some(&api.operator), None).await.must(200);
    let used =
        seen["items"].as_array().unwrap().iter().find(|quota| quota["name"] == noun.quota).unwrap()["used"].clone();
    api.call(Method::PUT, &quotas, Some(&api.operator), Some(json!({"limits": {noun.quota: used}}))).await.must(200);
    let refused = api.post(noun.path, noun.request(7, ground, "conform-d")).await;
    refused.problem("quota-exceeded", 409);
    api.call(Method::PUT, &quotas, Some(&api.operator), Some(json!({"limits": {}}))).await.must(200);
}

async fn deleted(api: &Api, noun: &Noun, id: &str) {
    assert_eq!(api.delete(&noun.one(id)).await.status, 204, "{}", noun.name);
    api.get(&noun.one(id)).await.problem("not-found", 404);
    api.delete(&noun.one(id)).await.problem("not-found", 404);
    patch(api, noun, id, json!({"description": "x"})).await.problem("not-found", 404);
    let id: uuid::Uuid = id.parse().unwrap();
    let verbs = "SELECT verb FROM event WHERE noun = $1 AND object_id = $2 ORDER BY revision DESC, seq DESC LIMIT 1";
    let last: (String,) = sqlx::query_as(verbs).bind(noun.name).bind(id).fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(last.0, "deleted", "{}", noun.name);
}
