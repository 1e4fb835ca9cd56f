//! For probes, programs and readers: health, metrics, documents.

use crate::agent_link::world::{Agent, place};
use crate::world::{Answer, Api, eventually};
use iroko_store::gauge::gauge_unread;
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
    let metrics = api.metrics().await;
    assert!(metrics.lines().any(|line| line == "iroko_database_up 0"), "{metrics}");
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
    let text = api.metrics().await;
    let route = r#"route="/v1/projects/{project_id}/networks/{network_id}""#;
    let line = text.lines().find(|line| {
        line.starts_with("iroko_http_requests_total{") && line.contains(route) && line.contains(r#"status="200""#)
    });
    assert!(line.is_some_and(|line| line.ends_with(" 1")), "{text}");
    assert!(!text.contains(&id), "an id in a label would make a series for each");
    let bucket = text.lines().find(|line| {
        line.starts_with("iroko_http_request_seconds_bucket{") && line.contains(route) && line.contains(r#"le="+Inf""#)
    });
    assert!(bucket.is_some_and(|line| line.ends_with(" 1")), "{text}");
    // Tenants do not reach them: they are not where the REST API is.
    open(&api, "/metrics").await.problem("not-found", 404);
    let elsewhere = format!("http://{}/v1/flavors", api.listening().metrics.unwrap());
    assert_eq!(reqwest::get(elsewhere).await.unwrap().status(), 404);
}

#[tokio::test]
async fn metrics_tell_what_there_is() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let (silent, _) = Agent::pair(&api, "host-2", "192.0.2.2").await;
    sqlx::query("UPDATE host_agent SET seen_at = now() - interval '1 hour' WHERE host_id = $1")
        .bind(silent.host().as_uuid())
        .execute(api.store.pool())
        .await
        .unwrap();
    let ground = api.ground("10.0.0.0/24").await;
    let (placed, _pending) = (api.instance(&ground).await, api.instance(&ground).await);
    place(&api, placed, compute.host()).await;
    let text = api.metrics().await;
    for line in [
        r#"iroko_hosts{state="enabled",reachable="true"} 1"#,
        r#"iroko_hosts{state="enabled",reachable="false"} 1"#,
        r#"iroko_hosts{state="disabled",reachable="true"} 0"#,
        r#"iroko_instances{status="building"} 1"#,
        r#"iroko_instances{status="pending"} 1"#,
        r#"iroko_instances{status="error"} 0"#,
        "iroko_database_up 1",
        "iroko_database_connections_most 12",
        concat!(r#"iroko_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in: {text}");
    }
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value(&text, r#"iroko_database_connections{use="idle"}"#) >= 1.0, "{text}");
    assert!(value(&text, "iroko_outbox_unread ") >= 0.0 && value(&text, "iroko_outbox_lag_seconds ") < 60.0, "{text}");
    // What was read is kept for a moment, whoever asks.
    api.instance(&ground).await;
    assert!(api.metrics().await.contains(r#"iroko_instances{status="pending"} 1"#));
}

#[tokio::test]
async fn the_outbox_lags_by_what_is_not_read() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (compute, _) = Agent::pair(&api, "host-1", "192.0.2.1").await;
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    place(&api, instance, compute.host()).await;
    let read = || async {
        let mut conn = api.store.connection().await.unwrap();
        let unread = gauge_unread(&mut conn, api.app().agents.read_up_to()).await.unwrap();
        if unread.changes == 0 && unread.oldest_s == 0.0 { Ok(()) } else { Err(format!("{unread:?}")) }
    };
    eventually("all is read", read).await;
    let mut conn = api.store.connection().await.unwrap();
    sqlx::query("UPDATE change SET created_at = now() - interval '1 hour'").execute(&mut *conn).await.unwrap();
    let unread = gauge_unread(&mut conn, 0).await.unwrap();
    assert!(unread.changes >= 2 && unread.oldest_s >= 3600.0, "{unread:?}");
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
