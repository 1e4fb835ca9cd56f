//! Passwords: changing, resetting, and what too many wrong ones cost.

use crate::session::{holds, log_in, text};
use crate::world::{Answer, Api, PASSWORD, bind, fault, issue, person};
use iroko_model::Role;
use iroko_store::authority::Scope;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;
use time::Duration;

const NEW: &str = "quite another phrase";

async fn attempt(api: &Api, username: &str, password: &str) -> Answer {
    let body = json!({"username": username, "password": password});
    api.call(Method::POST, "/v1/auth/token", None, Some(body)).await
}

fn retry_after(answer: &Answer) -> u64 {
    answer.problem("too-many-requests", 429);
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn changing_a_password_ends_the_other_sessions() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (mine, other) = (log_in(&api).await, log_in(&api).await);
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        api.call(Method::POST, "/v1/auth/password", Some(text(&mine, "access_token")), Some(body)).await
    };
    assert_eq!(change("wrong wrong wrong", NEW).await.fault(), fault("/current_password", "password_wrong"));
    for (new, rule) in [
        ("short", "password_short"),
        ("1q2w3e4r5t6y", "password_common"),
        ("aaaaaaaaaaaaaaaa", "password_simple"),
        ("admin-DEFAULT-1", "password_name"),
    ] {
        assert_eq!(change(PASSWORD, new).await.fault(), fault("/new_password", rule));
    }
    assert_eq!(holds(&api, &other).await, 200);
    change(PASSWORD, NEW).await.must(204);
    assert_eq!((holds(&api, &mine).await, holds(&api, &other).await), (200, 401));
    attempt(&api, "admin", PASSWORD).await.problem("unauthorized", 401);
    attempt(&api, "admin", NEW).await.must(200);
}

#[tokio::test]
async fn an_administrator_resets_a_password() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let tokens = log_in(&api).await;
    let ids: (uuid::Uuid, uuid::Uuid) =
        sqlx::query_as("SELECT organization_id, id FROM account WHERE username = 'admin'")
            .fetch_one(api.store.pool())
            .await
            .unwrap();
    // Whoever resets it must have all that they have: they own the organization and run the system.
    let mut tx = api.store.begin().await.unwrap();
    let boss = person(&mut tx, "boss", api.organization, "no password").await;
    bind(&mut tx, &boss, Role::Owner, Scope::Organization(api.organization)).await;
    let token = issue(api.app(), &mut tx, &boss, std::time::Duration::ZERO).await;
    api.store.commit(tx).await.unwrap();
    let path = format!("/v1/organizations/{}/users/{}/password", ids.0, ids.1);
    let refused = api.call(Method::PUT, &path, Some(&token), Some(json!({"password": NEW}))).await;
    refused.problem("forbidden", 403);
    let mut tx = api.store.begin().await.unwrap();
    bind(&mut tx, &boss, Role::Operator, Scope::System).await;
    api.store.commit(tx).await.unwrap();
    let below = "INSERT INTO organization (id, parent_id, name) VALUES (gen_random_uuid(), $1, 'below') RETURNING id";
    let elsewhere: uuid::Uuid = sqlx::query_scalar(below).bind(ids.0).fetch_one(api.store.pool()).await.unwrap();
    let reset = async |organization, password: &str| {
        let path = format!("/v1/organizations/{organization}/users/{}/password", ids.1);
        api.call(Method::PUT, &path, Some(&token), Some(json!({"password": password}))).await
    };
    reset(elsewhere, NEW).await.problem("not-found", 404);
    assert_eq!(reset(ids.0, "admin-default").await.fault(), fault("/password", "password_name"));
    for _ in 0..5 {
        attempt(&api, "admin", "wrong").await.problem("unauthorized", 401);
    }
    assert_eq!(attempt(&api, "admin", PASSWORD).await.status, 429);
    reset(ids.0, NEW).await.must(204);
    assert_eq!(holds(&api, &tokens).await, 401);
    attempt(&api, "admin", NEW).await.must(200);
    // An account of an identity provider has no password to change.
    sqlx::query("UPDATE account SET password_hash = NULL").execute(api.store.pool()).await.unwrap();
    reset(ids.0, NEW).await.problem("conflict", 409);
    attempt(&api, "admin", NEW).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn failures_cost_time_whoever_is_tried() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let clock = api.app().identity.credentials.clock.clone();
    for username in ["admin", "nobody"] {
        for _ in 0..5 {
            attempt(&api, username, "wrong").await.problem("unauthorized", 401);
        }
        for wait in [1, 2, 4] {
            assert_eq!(retry_after(&attempt(&api, username, PASSWORD).await), wait, "{username}");
            clock.advance(Duration::seconds(i64::try_from(wait).unwrap()));
            attempt(&api, username, "wrong").await.problem("unauthorized", 401);
        }
        assert_eq!(retry_after(&attempt(&api, username, "wrong").await), 8);
    }
    clock.advance(Duration::seconds(9));
    attempt(&api, "admin", PASSWORD).await.must(200);
    for _ in 0..5 {
        attempt(&api, "admin", "wrong").await.problem("unauthorized", 401);
    }
    // After a day all is forgotten.
    clock.advance(Duration::hours(25));
    attempt(&api, "admin", "wrong").await.problem("unauthorized", 401);
    iroko_identity::service::upkeep::purge(&api.app().identity).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM login_attempt").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn guesses_at_once_count_as_many() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.auth.password_queue = 256).await;
    attempt(&api, "admin", "wrong").await.problem("unauthorized", 401);
    let guesses = futures::future::join_all((0..40).map(|_| attempt(&api, "admin", "wrong"))).await;
    let looked_at = guesses.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 4, "the fifth failure is the last without a wait");
    assert!(guesses.iter().all(|answer| [401, 429].contains(&answer.status)));
    // While nobody has failed, many may log in at once.
    let right = futures::future::join_all((0..20).map(|_| attempt(&api, "nobody-yet", "wrong"))).await;
    assert!(right.iter().filter(|answer| answer.status == 401).count() >= 5);
}

#[tokio::test]
async fn strangers_do_not_lock_the_owner_out() {
    let (_database, connect) = database().await;
    let api =
        Api::start_with(&connect, |config| config.auth.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let from = async |address: &str, username: &str, password: &str| {
        let body = json!({"username": username, "password": password});
        let request = api.request(Method::POST, "/v1/auth/token").header("x-forwarded-for", address).json(&body);
        api.send(request).await
    };
    from("192.0.2.7", "admin", PASSWORD).await.must(200);
    for _ in 0..5 {
        from("198.51.100.9", "admin", "wrong").await.problem("unauthorized", 401);
    }
    assert_eq!(from("203.0.113.1", "admin", PASSWORD).await.status, 429, "whoever was never seen waits");
    from("192.0.2.8", "admin", PASSWORD).await.must(200);
    // Another client of the same network fails: whoever has logged in from their own address before goes on, and
    // the other one waits, also on other names.
    for _ in 0..5 {
        from("192.0.2.66", "admin", "wrong").await.problem("unauthorized", 401);
    }
    assert_eq!(from("192.0.2.66", "admin", PASSWORD).await.status, 429);
    from("192.0.2.7", "admin", PASSWORD).await.must(200);
    // One network that tries many names waits for all of them.
    for number in 0..50 {
        from("2001:db8:0:1::1", &format!("name-{number}"), "wrong").await.problem("unauthorized", 401);
    }
    assert_eq!(from("2001:db8:0:2::2", "name-x", "wrong").await.status, 429);
    from("2001:db8:1:0::2", "name-x", "wrong").await.problem("unauthorized", 401);
}

#[tokio::test]
async fn a_storm_of_log_ins_is_told_to_come_back() {
    let (_database, connect) = database().await;
    let change = |config: &mut iroko_api::config::Config| {
        (config.auth.password_threads, config.auth.password_queue) = (1, 2);
    };
    let api = Api::start_with(&connect, change).await;
    let attempts: Vec<_> = (0..40).map(|number| format!("somebody-{number}")).collect();
    let storm = futures::future::join_all(attempts.iter().map(|name| attempt(&api, name, "wrong"))).await;
    let refused: Vec<_> = storm.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && storm.iter().any(|answer| answer.status == 401));
    refused[0].problem("unavailable", 503);
    assert_eq!(refused[0].headers["retry-after"], "1");
    // Who was not looked at has not failed.
    let failed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM login_attempt").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(usize::try_from(failed).unwrap(), storm.iter().filter(|answer| answer.status == 401).count());
}
