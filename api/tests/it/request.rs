//! What holds for every request: media types, bounds, ids, languages.

use crate::world::{Api, header};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn bodies_must_be_json_of_the_right_type_and_size() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let path = api.at("networks");
    let post = |media: &str, body: String| {
        let request = api.request(Method::POST, &path).bearer_auth(&api.member).header("content-type", media);
        api.send(request.body(body))
    };
    for media in ["text/plain", "application/x-www-form-urlencoded", ""] {
        post(media, json!({"name": "n"}).to_string()).await.problem("unsupported-media-type", 415);
    }
    post("application/json; charset=utf-8", json!({"name": "n"}).to_string()).await.must(201);
    for broken in ["", "{", "{\"name\": \"n\"} trailing", "name=n", "\u{0}"] {
        post("application/json", broken.to_owned()).await.problem("bad-request", 400);
    }
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(post("application/json", deep).await.status, 400 | 422));
    post("application/json", format!("{{\"name\": \"{}\"}}", "x".repeat(300 * 1024))).await.problem("too-large", 413);
    assert_eq!(post("application/json", json!({"name": "n", "vni": 7}).to_string()).await.fault().0, "/vni");
    assert_eq!(post("application/json", "[]".to_owned()).await.problem("invalid", 422)["status"], 422);
    assert_eq!(api.get("networks").await.must(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_have_an_id_and_answers_a_language() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let ask = |name: &'static str, value: &str| {
        let request = api.request(Method::GET, "/v1/nothing").header(name, value);
        api.send(request)
    };
    let mine = ask("x-request-id", "ticket-4711").await;
    assert_eq!(mine.headers["x-request-id"], header("ticket-4711"));
    assert_eq!(mine.problem("not-found", 404)["request_id"], "ticket-4711");
    for bad in ["", "with space", "semi;colon", &"x".repeat(65)] {
        let answer = ask("x-request-id", bad).await;
        let id = answer.problem("not-found", 404)["request_id"].as_str().unwrap().to_owned();
        assert!(id.parse::<Uuid>().is_ok(), "{bad:?} became {id:?}");
    }
    for (languages, title) in [
        ("fr", "Cette ressource n'existe pas"),
        ("fr-TG,fr;q=0.9,en;q=0.8", "Cette ressource n'existe pas"),
        ("en;q=0.5, FR;q=0.7", "Cette ressource n'existe pas"),
        ("de, fr;q=0.2", "Cette ressource n'existe pas"),
        ("en, fr", "There is no such resource"),
        ("de", "There is no such resource"),
        ("", "There is no such resource"),
        ("fr;q=0", "There is no such resource"),
    ] {
        assert_eq!(ask("accept-language", languages).await.problem("not-found", 404)["title"], title, "{languages:?}");
    }
    let checked = api.request(Method::POST, &api.at("networks")).bearer_auth(&api.member);
    let checked = api.send(checked.header("accept-language", "fr").json(&json!({"name": ""}))).await;
    assert_eq!(checked.problem("invalid", 422)["title"], "Certaines valeurs ne sont pas acceptables");
    assert_eq!(checked.fault(), crate::world::fault("/name", "name_empty"));
    assert_eq!(checked.json()["errors"][0]["detail"], "un nom a au moins un caractère");
    assert_eq!(checked.headers["content-language"], "fr");
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let member = Some(&*api.member);
    for path in ["/", "/v1", "/v1/projects/x/networks", "/v1/projects/x", &api.at("networks/not-an-id"), &api.at("")] {
        api.call(Method::GET, path, member, None).await.problem("not-found", 404);
    }
    for (method, path) in [(Method::PUT, api.at("networks")), (Method::DELETE, "/v1/projects".to_owned())] {
        api.call(method.clone(), &path, member, None).await.problem("method-not-allowed", 405);
        let request = api.request(method, &path).bearer_auth(&api.member).header("if-match", "nonsense");
        api.send(request).await.problem("method-not-allowed", 405);
    }
    let answer = api.get("networks").await;
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["cache-control"], "no-store");
}
