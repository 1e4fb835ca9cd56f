//! The keys that sign access tokens change, and nobody notices.

use crate::session::{holds, log_in, text};
use crate::world::Api;
use iroko_identity::service::signing_key::renew;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::Value;
use time::Duration;

async fn keys(api: &Api) -> Vec<(String, String)> {
    let listed = api.system(Method::GET, "signing-keys", None).await.must(200);
    let row = |key: &Value| (text(key, "state").to_owned(), text(key, "kid").to_owned());
    listed["items"].as_array().unwrap().iter().map(row).collect()
}

fn states(keys: &[(String, String)]) -> Vec<&str> {
    keys.iter().map(|(state, _)| state.as_str()).collect()
}

async fn published(api: &Api) -> Vec<String> {
    let jwks = api.call(Method::GET, "/.well-known/jwks.json", None, None).await.must(200);
    jwks["keys"].as_array().unwrap().iter().map(|key| text(key, "kid").to_owned()).collect()
}

fn signed_with(tokens: &Value) -> String {
    jsonwebtoken::decode_header(text(tokens, "access_token")).unwrap().kid.unwrap()
}

#[tokio::test]
async fn keys_change_by_schedule_and_nobody_is_logged_out() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let clock = api.app().identity.credentials.clock.clone();
    let before = keys(&api).await;
    assert_eq!(states(&before), ["active", "next"]);
    let listed = api.system(Method::GET, "signing-keys", None).await.must(200);
    let one = api.system(Method::GET, &format!("signing-keys/{}", before[1].1), None).await.must(200);
    assert_eq!(one, listed["items"][1], "as in the list");
    api.system(Method::GET, "signing-keys/nobody", None).await.problem("not-found", 404);
    api.system(Method::GET, "signing-keys/%00", None).await.problem("not-found", 404);
    assert_eq!(published(&api).await, [before[0].1.clone(), before[1].1.clone()], "published before it signs");
    // The operator of the tests has no refresh token, so that the life of theirs ends here.
    clock.advance(Duration::days(30) - Duration::minutes(5));
    let early = log_in(&api).await;
    assert_eq!(signed_with(&early), before[0].1);
    clock.advance(Duration::minutes(6));
    renew(&api.app().identity).await.unwrap();
    let late = log_in(&api).await;
    assert_eq!(signed_with(&late), before[1].1);
    assert_eq!((holds(&api, &early).await, holds(&api, &late).await), (200, 200));
    assert_eq!(published(&api).await.len(), 3);
    // When the last token of the old key has ended, the key goes.
    clock.advance(Duration::minutes(18));
    renew(&api.app().identity).await.unwrap();
    assert_eq!(holds(&api, &early).await, 401);
    let after = published(&api).await;
    assert!(after.len() == 2 && after[0] == before[1].1, "{after:?}");
}

#[tokio::test]
async fn the_operator_changes_keys_at_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let before = keys(&api).await;
    let early = log_in(&api).await;
    api.system(Method::POST, "signing-keys/rotate", None).await.must(200);
    let after = keys(&api).await;
    assert_eq!(states(&after), ["retired", "active", "next"]);
    let late = log_in(&api).await;
    assert_eq!((signed_with(&early), signed_with(&late)), (before[0].1.clone(), before[1].1.clone()));
    assert_eq!((holds(&api, &early).await, holds(&api, &late).await), (200, 200));

    // A leaked key: its tokens stop, sessions go on.
    let path = format!("signing-keys/{}", after[0].1);
    // The operator's own token is of that key too.
    api.system(Method::DELETE, &path, None).await.must(204);
    api.system(Method::DELETE, &path, None).await.problem("unauthorized", 401);
    assert_eq!((holds(&api, &early).await, holds(&api, &late).await), (401, 200));
    let body = serde_json::json!({"refresh_token": text(&early, "refresh_token")});
    let refreshed = api.call(Method::POST, "/v1/auth/refresh", None, Some(body)).await.must(200);
    assert_eq!(holds(&api, &refreshed).await, 200);
    // The active one goes too, and another takes its place.
    let token = Some(text(&refreshed, "access_token"));
    let path = format!("/v1/system/signing-keys/{}", after[1].1);
    api.call(Method::DELETE, &path, token, None).await.must(204);
    assert_eq!(holds(&api, &refreshed).await, 401);
    assert_eq!(holds(&api, &log_in(&api).await).await, 200);
}

#[tokio::test]
async fn several_processes_agree() {
    let (_database, connect) = database().await;
    let first = Api::start(&connect).await;
    let second = first.twin().await;
    assert_eq!(keys(&first).await, keys(&second).await, "the second found what the first had made");
    for _ in 0..3 {
        // The first changes its keys twice, so that the second has never heard of the one that signs.
        first.system(Method::POST, "signing-keys/rotate", None).await.must(200);
        first.system(Method::POST, "signing-keys/rotate", None).await.must(200);
        let tokens = log_in(&first).await;
        // It looks for unknown keys at most once a second.
        second.app().identity.credentials.clock.advance(Duration::seconds(1));
        assert_eq!(holds(&second, &tokens).await, 200);
        assert_eq!(holds(&first, &log_in(&second).await).await, 200);
    }
    // A log-out at one is one at the other, at once.
    let tokens = log_in(&first).await;
    first.call(Method::POST, "/v1/auth/logout", Some(text(&tokens, "access_token")), None).await.must(204);
    assert_eq!(holds(&second, &tokens).await, 401);
}

#[tokio::test]
async fn many_that_start_at_once_make_one_pair_of_keys() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    sqlx::query("DELETE FROM signing_key").execute(api.store.pool()).await.unwrap();
    let done = futures::future::join_all((0..8).map(|_| renew(&api.app().identity))).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM signing_key").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(left, 2);
}
