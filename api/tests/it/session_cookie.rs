//! Sessions that browsers hold by a cookie: what they can do, what pages of other sites cannot, and how they are renewed and end.

use crate::session::{log_in, text};
use crate::world::{Answer, Api, ORIGIN, PASSWORD};
use iroko_identity::auth::refresh::hash;
use iroko_store::account::account_by_username;
use iroko_store::session::{NewSession, session_begin};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

const NAME: &str = "__Host-iroko_session";
/// What the browser and the page of this cloud add to a request.
pub const OWN: [(&str, &str); 2] = [("origin", ORIGIN), ("x-iroko-session", "cookie")];

/// The secret in the cookie that an answer sets; empty where it is taken away.
#[track_caller]
pub fn given(answer: &Answer) -> Option<String> {
    let set = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let mut ours = set.filter_map(|text| text.strip_prefix(&format!("{NAME}=")));
    let first = ours.next()?;
    assert_eq!(ours.next(), None, "one cookie, once");
    let (secret, rest) = first.split_once(';').unwrap();
    assert!(rest.starts_with(" Path=/; Max-Age=") && rest.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{rest}");
    Some(secret.to_owned())
}

/// Asks with these header fields, and the cookie if there is one.
pub async fn ask(
    api: &Api,
    secret: Option<&str>,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = api.request(method, path);
    if let Some(secret) = secret {
        request = request.header("cookie", format!("theme=dark; {NAME}={secret}"));
    }
    request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    api.send(body.iter().fold(request, |request, body| request.json(body))).await
}

fn admin() -> Option<Value> {
    Some(json!({"username": "admin", "password": PASSWORD}))
}

/// Logs the first operator in, in a browser: the session, and the secret in its cookie.
async fn browser(api: &Api) -> (Value, String) {
    let answer = ask(api, None, Method::POST, "/v1/auth/sessions", &OWN, admin()).await;
    let secret = given(&answer).expect("a cookie");
    assert!(!answer.text.contains(&secret) && !answer.text.contains("_token"), "{}", answer.text);
    let session = answer.must(201);
    assert_eq!(answer.headers["location"], format!("/v1/auth/sessions/{}", text(&session, "id")));
    (session, secret)
}

async fn read(api: &Api, secret: &str) -> Answer {
    ask(api, Some(secret), Method::GET, "/v1/auth/me", &[], None).await
}

/// What a request that makes a group answers.
async fn change(api: &Api, secret: Option<&str>, name: &str, fields: &[(&str, &str)]) -> Answer {
    let path = format!("/v1/organizations/{}/groups", api.organization);
    ask(api, secret, Method::POST, &path, fields, Some(json!({"name": name}))).await
}

/// Audit records of an operation.
async fn records(api: &Api, operation: &str, outcome: &str) -> Vec<Value> {
    let found = "SELECT coalesce(body, record::jsonb) FROM audit_record WHERE operation = $1 AND outcome = $2";
    sqlx::query_scalar(found).bind(operation).bind(outcome).fetch_all(api.store.pool()).await.unwrap()
}

async fn groups(api: &Api) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM account_group").fetch_one(api.store.pool()).await.unwrap()
}

#[tokio::test]
async fn a_browser_reads_and_changes_by_its_cookie() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (session, secret) = browser(&api).await;
    assert_eq!((text(&session, "carrier"), &session["is_current"]), ("cookie", &json!(true)));
    let me = read(&api, &secret).await;
    assert_eq!(me.must(200)["name"], "admin");
    assert!(given(&me).is_none(), "it is not renewed before its time");
    assert!(me.headers["vary"].to_str().unwrap().contains("cookie"));
    change(&api, Some(&secret), "made", &OWN).await.must(201);
    let fetched = [("sec-fetch-site", "same-origin"), ("x-iroko-session", "cookie")];
    change(&api, Some(&secret), "fetched", &fetched).await.must(201);
    let tokens = log_in(&api).await;
    let listed = ask(&api, Some(&secret), Method::GET, "/v1/auth/sessions", &[], None).await.must(200);
    let carriers: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| &item["carrier"]).collect();
    assert_eq!(carriers, ["cookie", "token"], "{listed}");
    assert_eq!(listed["items"][0]["id"], session["id"]);
    // What one kind of client holds is nothing to the other.
    let body = json!({"refresh_token": secret});
    api.call(Method::POST, "/v1/auth/refresh", None, Some(body)).await.problem("unauthorized", 401);
    for token in ["access_token", "refresh_token"] {
        let refused = read(&api, text(&tokens, token)).await.problem("unauthorized", 401);
        assert_eq!(refused["rule"], "session_ended");
    }
    // The audit log names the session.
    let recorded = records(&api, "group_create", "done").await;
    let by = recorded.iter().map(|record| (text(&record["credential"], "kind"), &record["credential"]["id"]));
    assert_eq!(by.collect::<Vec<_>>(), [("session", &session["id"]); 2]);
    assert_eq!(records(&api, "session_create", "done").await.len(), 1);
}

#[tokio::test]
async fn a_page_of_another_site_gets_nothing() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (session, secret) = browser(&api).await;
    let before = groups(&api).await;
    let header = ("x-iroko-session", "cookie");
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[("origin", ORIGIN)], "session_header_missing"),
        (&[("sec-fetch-site", "same-origin")], "session_header_missing"),
        (&[], "origin_foreign"),
        (&[header], "origin_foreign"),
        (&[("origin", "null"), header], "origin_foreign"),
        (&[("origin", "https://evil.example"), header], "origin_foreign"),
        (&[("origin", ORIGIN), ("sec-fetch-site", "cross-site"), header], "origin_foreign"),
        (&[("sec-fetch-site", "same-site"), header], "origin_foreign"),
    ];
    for (fields, rule) in table {
        let refused = change(&api, Some(&secret), "forged", fields).await.problem("foreign-page", 403);
        assert_eq!((text(&refused, "rule"), &refused["retryable"]), (*rule, &json!(false)), "{fields:?}");
        // Nor does it log a visitor in as somebody else.
        let answer = ask(&api, None, Method::POST, "/v1/auth/sessions", fields, admin()).await;
        assert_eq!((text(&answer.problem("foreign-page", 403), "rule"), given(&answer)), (*rule, None));
    }
    assert_eq!(groups(&api).await, before);
    // Nothing of what is read goes there either, streams included.
    for path in ["/v1/auth/me".to_owned(), api.at("events")] {
        for fields in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let refused = ask(&api, Some(&secret), Method::GET, &path, &[fields], None).await;
            assert_eq!(refused.problem("foreign-page", 403)["rule"], "origin_foreign");
        }
        let socket = [("upgrade", "websocket"), ("connection", "upgrade")];
        ask(&api, Some(&secret), Method::GET, &path, &socket, None).await.problem("foreign-page", 403);
    }
    let same = [("sec-fetch-site", "same-origin")];
    ask(&api, Some(&secret), Method::GET, "/v1/auth/me", &same, None).await.must(200);
    // It is recorded as asked by whose browser it was.
    let refused = records(&api, "group_create", "refused").await;
    assert!(refused.iter().all(|record| record["credential"]["id"] == session["id"]), "{refused:?}");
    assert_eq!(refused.len(), table.len());
}

#[tokio::test]
async fn beside_a_token_a_cookie_counts_for_nothing() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, secret) = browser(&api).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let member = bearer(&api.member);
    let me = ask(&api, Some(&secret), Method::GET, "/v1/auth/me", &[("authorization", &member)], None).await;
    assert_eq!(me.must(200)["name"], "member");
    // What the cookie's person may do, the token's may not; and a token needs no header.
    let fields = [("authorization", &*member), OWN[0], OWN[1]];
    change(&api, Some(&secret), "by-member", &fields).await.problem("not-found", 404);
    let operator = bearer(&api.operator);
    let path = "/v1/system/flavors";
    let flavor = json!({"name": "tiny", "vcpus": 1, "memory_mib": 64, "disk_gib": 1});
    let fields = [("authorization", &*operator), ("origin", "https://evil.example")];
    ask(&api, Some(&secret), Method::POST, path, &fields, Some(flavor)).await.must(201);
    for wrong in ["Bearer nonsense", "Basic YTpi", ""] {
        let answer = ask(&api, Some(&secret), Method::GET, "/v1/auth/me", &[("authorization", wrong)], None).await;
        answer.problem("unauthorized", 401);
    }
    // An API key is a token too; a log-out with it ends no session of the cookie.
    let key = bearer(&crate::api_key::key(&api).await);
    let me = ask(&api, Some(&secret), Method::GET, "/v1/auth/me", &[("authorization", &key)], None).await.must(200);
    assert_eq!(me["kind"], "service_account", "{me}");
    ask(&api, Some(&secret), Method::POST, "/v1/auth/logout", &[("authorization", &key)], None)
        .await
        .problem("not-found", 404);
    read(&api, &secret).await.must(200);
    // A cookie of the name that a neighbour slipped in makes both count for nothing.
    let two = api.request(Method::GET, "/v1/auth/me").header("cookie", format!("{NAME}=x; {NAME}={secret}"));
    api.send(two).await.problem("unauthorized", 401);
}

#[tokio::test]
async fn a_cookie_is_renewed_by_itself_and_a_copy_of_it_ends_the_session() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let clock = api.app().identity.credentials.clock.clone();
    let (session, first) = browser(&api).await;
    clock.advance(Duration::minutes(16));
    // Refused requests renew nothing.
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(given(&ask(&api, Some(&first), Method::GET, "/v1/auth/me", &foreign, None).await), None);
    // Browsers send several requests at once: all hold, all bring the same next cookie.
    let answers = futures::future::join_all((0..8).map(|_| read(&api, &first))).await;
    let next: Vec<_> = answers.iter().map(|answer| (answer.status, given(answer))).collect();
    let second = next[0].1.clone().expect("it is renewed");
    assert!(next.iter().all(|each| *each == (200, Some(second.clone()))), "{next:?}");
    assert_ne!(first, second);
    assert_eq!(given(&read(&api, &second).await), None);
    let renewed = change(&api, Some(&first), "late", &OWN).await;
    renewed.must(201);
    assert_eq!(given(&renewed), Some(second.clone()), "under way when it was replaced");
    let shown = ask(&api, Some(&second), Method::GET, "/v1/auth/sessions", &[], None).await.must(200);
    assert_eq!(shown["items"][0]["id"], session["id"]);
    assert!(text(&shown["items"][0], "used_at") > text(&session, "used_at"));
    // The database knows neither.
    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT token_hash FROM refresh_token").fetch_all(api.store.pool()).await.unwrap();
    assert!(kept.iter().all(|hash| hash != first.as_bytes() && hash != second.as_bytes()));

    clock.advance(Duration::seconds(31));
    let refused = read(&api, &first).await;
    assert_eq!(refused.problem("unauthorized", 401)["rule"], "session_ended");
    read(&api, &second).await.problem("unauthorized", 401);
    let reason: String = sqlx::query_scalar("SELECT revoked_reason FROM session WHERE id = $1")
        .bind(text(&session, "id").parse::<uuid::Uuid>().unwrap())
        .fetch_one(api.store.pool())
        .await
        .unwrap();
    assert_eq!(reason, "reuse");
    let (_, other) = browser(&api).await;
    read(&api, &other).await.must(200);
}

#[tokio::test]
async fn a_session_of_a_browser_ends_as_others_do() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let clock = api.app().identity.credentials.clock.clone();
    let ended = async |secret: &str| read(&api, secret).await.problem("unauthorized", 401);
    // By a log-out, also one that comes when the cookie is due to be renewed.
    let (_, one) = browser(&api).await;
    clock.advance(Duration::minutes(16));
    ask(&api, Some(&one), Method::POST, "/v1/auth/logout", &OWN[..1], None).await.problem("foreign-page", 403);
    let out = ask(&api, Some(&one), Method::POST, "/v1/auth/logout", &OWN, None).await;
    out.must(204);
    assert_eq!(given(&out).as_deref(), Some(""), "the browser drops it");
    ended(&one).await;
    // By another session of the person; all of them; but the current one.
    let ((two, two_secret), (_, three)) = (browser(&api).await, browser(&api).await);
    let path = format!("/v1/auth/sessions/{}", text(&two, "id"));
    ask(&api, Some(&three), Method::DELETE, &path, &OWN, None).await.must(204);
    ended(&two_secret).await;
    let (_, four) = browser(&api).await;
    let tokens = log_in(&api).await;
    let others = "/v1/auth/sessions?keep_current=true";
    assert_eq!(given(&ask(&api, Some(&four), Method::DELETE, others, &OWN, None).await), None);
    ended(&three).await;
    assert_eq!(crate::session::holds(&api, &tokens).await, 401);
    read(&api, &four).await.must(200);
    let all = ask(&api, Some(&four), Method::DELETE, "/v1/auth/sessions", &OWN, None).await;
    assert_eq!((all.status, given(&all).as_deref()), (204, Some("")));
    ended(&four).await;
    // By idleness, and by age.
    let (_, idle) = browser(&api).await;
    clock.advance(Duration::days(7) + Duration::seconds(1));
    ended(&idle).await;
    let (_, mut busy) = browser(&api).await;
    for _ in 0..4 {
        clock.advance(Duration::days(6));
        busy = given(&read(&api, &busy).await).expect("it is renewed");
    }
    clock.advance(Duration::days(6) - Duration::minutes(5));
    let answer = read(&api, &busy).await;
    let age = answer.headers["set-cookie"].to_str().unwrap().split("Max-Age=").nth(1).unwrap().to_owned();
    let age: u64 = age.split(';').next().unwrap().parse().unwrap();
    assert!((295..=300).contains(&age), "{age}: no longer than the session");
    busy = given(&answer).expect("it is renewed");
    clock.advance(Duration::minutes(6));
    ended(&busy).await;
    // By a disabled account.
    let (_, last) = browser(&api).await;
    let disable = sqlx::query("UPDATE account SET disabled_at = now() WHERE username = 'admin'");
    disable.execute(api.store.pool()).await.unwrap();
    ended(&last).await;
}

#[tokio::test]
async fn without_an_origin_of_its_own_a_cloud_gives_no_cookies() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.auth.cookie_origins.clear()).await;
    let mut tx = api.store.begin().await.unwrap();
    let account = account_by_username(&mut tx, "admin").await.unwrap().unwrap();
    let now = api.app().identity.credentials.clock.now();
    let new = NewSession {
        account_id: account.id,
        method: "password",
        carrier: "cookie",
        source: [127, 0, 0, 1].into(),
        user_agent: None,
        now,
        idle_expires_at: now + Duration::days(1),
        expires_at: now + Duration::days(1),
    };
    let secret = "made when the cloud had one";
    session_begin(&mut tx, &new, &hash(secret)).await.unwrap();
    api.store.commit(tx).await.unwrap();
    let refused = ask(&api, None, Method::POST, "/v1/auth/sessions", &OWN, admin()).await;
    assert_eq!(refused.problem("not-found", 404)["rule"], "cookies_not_offered");
    read(&api, secret).await.problem("unauthorized", 401);
}
