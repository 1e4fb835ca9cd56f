//! Sessions: refresh tokens that go round, and ends that take effect at once.

use crate::world::{Answer, Api, PASSWORD};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

/// Logs the first operator in.
pub async fn log_in(api: &Api) -> Value {
    let body = json!({"username": "admin", "password": PASSWORD});
    api.call(Method::POST, "/v1/auth/token", None, Some(body)).await.must(200)
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

async fn refresh(api: &Api, token: &str) -> Answer {
    api.call(Method::POST, "/v1/auth/refresh", None, Some(json!({"refresh_token": token}))).await
}

/// What a request with the access token answers.
pub async fn holds(api: &Api, tokens: &Value) -> u16 {
    api.call(Method::GET, "/v1/projects", Some(text(tokens, "access_token")), None).await.status
}

#[tokio::test]
async fn a_refresh_brings_the_next_tokens() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let first = log_in(&api).await;
    assert_eq!(first["refresh_expires_in_s"], 7 * 24 * 3600);
    api.app().identity.credentials.clock.advance(Duration::minutes(16));
    assert_eq!(holds(&api, &first).await, 401, "fifteen minutes are over");
    let second = refresh(&api, text(&first, "refresh_token")).await.must(200);
    assert_eq!(holds(&api, &second).await, 200);
    assert_eq!(second["session_id"], first["session_id"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let third = refresh(&api, text(&second, "refresh_token")).await.must(200);
    assert_eq!(holds(&api, &third).await, 200);
    assert_eq!(holds(&api, &second).await, 200, "a refresh ends no access token");
    for nonsense in ["", "iroko_rt_x", text(&third, "access_token"), "nul \0"] {
        refresh(&api, nonsense).await.problem("unauthorized", 401);
    }
}

#[tokio::test]
async fn a_lost_answer_is_given_again_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let first = log_in(&api).await;
    let lost = refresh(&api, text(&first, "refresh_token")).await.must(200);
    let again = refresh(&api, text(&first, "refresh_token")).await.must(200);
    assert_eq!(again["refresh_token"], lost["refresh_token"], "the same successor");
    assert_eq!(holds(&api, &again).await, 200);
    // A second time is one too many: both ends are cut off.
    refresh(&api, text(&first, "refresh_token")).await.problem("unauthorized", 401);
    assert_eq!(holds(&api, &again).await, 401);
    refresh(&api, text(&again, "refresh_token")).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn a_stolen_token_ends_the_session() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let bystander = log_in(&api).await;
    // Late, though nobody used the successor.
    let late = log_in(&api).await;
    let next = refresh(&api, text(&late, "refresh_token")).await.must(200);
    api.app().identity.credentials.clock.advance(Duration::seconds(32));
    refresh(&api, text(&late, "refresh_token")).await.problem("unauthorized", 401);
    assert_eq!(holds(&api, &next).await, 401);
    // In time, but the successor was used.
    let first = log_in(&api).await;
    let second = refresh(&api, text(&first, "refresh_token")).await.must(200);
    let third = refresh(&api, text(&second, "refresh_token")).await.must(200);
    refresh(&api, text(&first, "refresh_token")).await.problem("unauthorized", 401);
    assert_eq!(holds(&api, &third).await, 401);
    refresh(&api, text(&third, "refresh_token")).await.problem("unauthorized", 401);
    assert_eq!(holds(&api, &bystander).await, 200, "other sessions go on");
}

#[tokio::test]
async fn of_many_at_once_two_get_the_same_answer() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let first = log_in(&api).await;
    let token = text(&first, "refresh_token");
    let answers = futures::future::join_all((0..16).map(|_| refresh(&api, token))).await;
    let right: Vec<Value> = answers.iter().filter(|a| a.status == 200).map(Answer::json).collect();
    assert_eq!(right.len(), 2, "the answer, and the repetition of it");
    assert_eq!(right[0]["refresh_token"], right[1]["refresh_token"]);
    assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)), "{answers:?}");
    assert_eq!(holds(&api, &right[0]).await, 401, "the third came from somebody else");
}

#[tokio::test]
async fn sessions_end_by_idleness_and_by_age() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let clock = api.app().identity.credentials.clock.clone();
    let idle = log_in(&api).await;
    clock.advance(Duration::days(7) + Duration::seconds(1));
    refresh(&api, text(&idle, "refresh_token")).await.problem("unauthorized", 401);
    let mut busy = log_in(&api).await;
    for _ in 0..4 {
        clock.advance(Duration::days(6));
        busy = refresh(&api, text(&busy, "refresh_token")).await.must(200);
    }
    clock.advance(Duration::days(6) - Duration::minutes(5));
    busy = refresh(&api, text(&busy, "refresh_token")).await.must(200);
    assert!((295..=300).contains(&busy["expires_in_s"].as_u64().unwrap()), "{busy}: no longer than the session");
    clock.advance(Duration::minutes(6));
    refresh(&api, text(&busy, "refresh_token")).await.problem("unauthorized", 401);
    assert_eq!(holds(&api, &busy).await, 401);
    // What has ended is removed after a while; what goes on is not.
    let fresh = log_in(&api).await;
    clock.advance(Duration::days(6));
    let fresh = refresh(&api, text(&fresh, "refresh_token")).await.must(200);
    clock.advance(Duration::days(2));
    iroko_identity::service::upkeep::purge(&api.app().identity).await.unwrap();
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM session s JOIN account a ON a.id = account_id WHERE username = 'admin'",
    )
    .fetch_one(api.store.pool())
    .await
    .unwrap();
    assert_eq!(left, 1);
    refresh(&api, text(&fresh, "refresh_token")).await.must(200);
}

#[tokio::test]
async fn an_end_takes_effect_at_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (one, two, three) = (log_in(&api).await, log_in(&api).await, log_in(&api).await);
    let token = text(&one, "access_token");
    let listed = api.call(Method::GET, "/v1/auth/sessions", Some(token), None).await.must(200);
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert_eq!(
        (&items[0]["id"], &items[0]["is_current"], &items[1]["is_current"]),
        (&one["session_id"], &json!(true), &json!(false))
    );
    assert_eq!((text(&items[0], "source"), text(&items[0], "method")), ("127.0.0.1", "password"));
    let page = api.call(Method::GET, "/v1/auth/sessions?limit=2", Some(token), None).await.must(200);
    let rest = format!("/v1/auth/sessions?limit=2&cursor={}", text(&page, "next_cursor"));
    let rest = api.call(Method::GET, &rest, Some(token), None).await.must(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), rest.get("next_cursor")), (1, None));

    let path = format!("/v1/auth/sessions/{}", text(&two, "session_id"));
    api.call(Method::DELETE, &path, Some(&api.member), None).await.problem("not-found", 404);
    assert_eq!(holds(&api, &two).await, 200, "a session is nobody else's to end");
    api.call(Method::DELETE, &path, Some(token), None).await.must(204);
    api.call(Method::DELETE, &path, Some(token), None).await.problem("not-found", 404);
    assert_eq!((holds(&api, &one).await, holds(&api, &two).await, holds(&api, &three).await), (200, 401, 200));
    refresh(&api, text(&two, "refresh_token")).await.problem("unauthorized", 401);

    api.call(Method::DELETE, "/v1/auth/sessions?keep_current=true", Some(token), None).await.must(204);
    assert_eq!((holds(&api, &one).await, holds(&api, &three).await), (200, 401));
    api.call(Method::POST, "/v1/auth/logout", Some(token), None).await.must(204);
    assert_eq!(holds(&api, &one).await, 401);
    let four = log_in(&api).await;
    api.call(Method::DELETE, "/v1/auth/sessions", Some(text(&four, "access_token")), None).await.must(204);
    assert_eq!(holds(&api, &four).await, 401);
}

#[tokio::test]
async fn a_disabled_person_is_out() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let tokens = log_in(&api).await;
    let disable = sqlx::query("UPDATE account SET disabled_at = now() WHERE username = 'admin'");
    disable.execute(api.store.pool()).await.unwrap();
    assert_eq!(holds(&api, &tokens).await, 401);
    refresh(&api, text(&tokens, "refresh_token")).await.problem("unauthorized", 401);
    let body = json!({"username": "admin", "password": PASSWORD});
    api.call(Method::POST, "/v1/auth/token", None, Some(body)).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn a_crowd_of_sessions_has_a_bound() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let oldest = log_in(&api).await;
    let crowd = "INSERT INTO session (id, account_id, method, carrier, source, created_at, used_at, idle_expires_at, expires_at)
        SELECT gen_random_uuid(), id, 'password', 'token', '192.0.2.1', now(), now() + interval '1 second', now() + interval '1 day', now() + interval '1 day'
        FROM account, generate_series(2, 256) WHERE username = 'admin'";
    sqlx::query(crowd).execute(api.store.pool()).await.unwrap();
    assert_eq!(holds(&api, &oldest).await, 200);
    let newest = log_in(&api).await;
    assert_eq!((holds(&api, &oldest).await, holds(&api, &newest).await), (401, 200));
}

#[tokio::test]
async fn a_session_is_shown_to_whose_it_is() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (first, second) = (log_in(&api).await, log_in(&api).await);
    let show = async |of: &Value, token: &str| {
        let path = format!("/v1/auth/sessions/{}", text(of, "session_id"));
        api.call(Method::GET, &path, Some(token), None).await
    };
    let token = text(&first, "access_token");
    let shown = show(&second, token).await.must(200);
    assert_eq!(
        (&shown["id"], &shown["is_current"], &shown["method"]),
        (&second["session_id"], &json!(false), &json!("password"))
    );
    let listed = api.call(Method::GET, "/v1/auth/sessions", Some(token), None).await.must(200);
    assert!(listed["items"].as_array().unwrap().contains(&shown), "{listed}");
    assert_eq!(show(&first, token).await.must(200)["is_current"], true);
    show(&first, &api.member).await.problem("not-found", 404);
    let path = format!("/v1/auth/sessions/{}", text(&second, "session_id"));
    api.call(Method::DELETE, &path, Some(token), None).await.must(204);
    show(&second, token).await.problem("not-found", 404);
}
