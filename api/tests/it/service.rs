//! For probes, programs and readers: health, metrics, documents.

use crate::world::{Answer, Api, eventually};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

async fn open(api: &Api, path: &str) -> Answer {
    api.call(Method::GET, path, None, None).await
}

#[tokio::test]
async fn readiness_follows_the_database() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(open(&api, path).await.text, "ok");
    }
    let database = connect.get_database().unwrap().to_owned();
    let mut conn = connect.clone().database("postgres").connect().await.unwrap();
    // The database goes away under the API, and comes back.
    conn.execute(AssertSqlSafe(format!("ALTER DATABASE {database:?} WITH ALLOW_CONNECTIONS false"))).await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(&database)
        .execute(&mut conn)
        .await
        .unwrap();
    let gone = eventually("not ready", || async {
        match open(&api, "/readyz").await {
            answer if answer.status == 503 => Ok(answer),
            other => Err(format!("{other:?}")),
        }
    });
    let gone = gone.await;
    gone.problem("unavailable", 503);
    assert_eq!(gone.headers["retry-after"], "2");
    assert_eq!(open(&api, "/healthz").await.status, 200, "the process itself is alive");
    conn.execute(AssertSqlSafe(format!("ALTER DATABASE {database:?} WITH ALLOW_CONNECTIONS true"))).await.unwrap();
    let ready = || async {
        match open(&api, "/readyz").await {
            answer if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    eventually("ready again", ready).await;
    api.get("networks").await.must(200);
}

#[tokio::test]
async fn metrics_count_by_route_and_not_by_id() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let id = api.network("10.0.0.0/24").await;
    api.get(&format!("networks/{id}")).await.must(200);
    let text = open(&api, "/metrics").await.text;
    let line = text.lines().find(|line| {
        line.starts_with("iroko_http_requests_total{")
            && line.contains(r#"route="/v1/projects/{project_id}/networks/{network_id}""#)
            && line.contains(r#"status="200""#)
    });
    assert!(line.is_some_and(|line| line.ends_with(" 1")), "{text}");
    assert!(!text.contains(&id), "an id in a label would make a series for each");
}

#[tokio::test]
async fn documents_need_nothing_from_elsewhere() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/iroko-v1.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(open(&api, "/openapi.json").await.must(200), kept);
    let index = open(&api, "/docs/").await;
    assert_eq!(index.status, 200);
    let mut seen = 0;
    for (attribute, tail) in ["src=\"", "href=\""].iter().flat_map(|a| index.text.split(a).skip(1).map(move |t| (a, t)))
    {
        let link = tail.split('"').next().unwrap();
        assert!(!link.contains("//"), "{attribute}{link} is an asset of somebody else");
        let path = format!("/docs/{}", link.trim_start_matches("./"));
        let asset = open(&api, &path).await;
        assert_eq!(asset.status, 200, "{path}");
        let is_style = path.ends_with(".css");
        assert!(!is_style || !asset.text.contains("@import") && !asset.text.contains("url(http"), "{path}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen} assets only: {}", index.text);
    let start = open(&api, "/docs/swagger-initializer.js").await.text;
    assert!(start.contains("/openapi.json") && !start.contains("http://") && !start.contains("https://"), "{start}");
}

#[tokio::test]
async fn every_kind_of_problem_is_explained() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    for kind in iroko_web::problem::Kind::ALL {
        let (slug, status, english, french) = kind.row();
        let text = open(&api, &format!("/problems/{slug}")).await.must(200);
        assert_eq!((text["status"].as_u64(), text["title"]["en"].as_str()), (Some(status.into()), Some(english)));
        assert_eq!(text["title"]["fr"], french);
    }
    open(&api, "/problems/unheard-of").await.problem("not-found", 404);
}
