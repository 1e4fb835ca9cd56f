//! The second factor, with an authenticator of the tests' own.

use crate::session::{holds, log_in, text};
use crate::session_cookie::{OWN, ask, given};
use crate::world::{Answer, Api, PASSWORD, fault};
use iroko_test_database::database;
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;
use totp_rs::{Builder, Secret};

/// The code that an authenticator shows now.
fn code(api: &Api, secret: &str) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build_noncompliant();
    totp.generate(api.app().identity.credentials.clock.now().unix_timestamp().unsigned_abs()).to_string()
}

async fn call(api: &Api, tokens: &Value, method: Method, path: &str, body: Option<Value>) -> Answer {
    api.call(method, &format!("/v1/auth/{path}"), Some(text(tokens, "access_token")), body).await
}

async fn first_step(api: &Api) -> Answer {
    let body = json!({"username": "admin", "password": PASSWORD});
    api.call(Method::POST, "/v1/auth/token", None, Some(body)).await
}

/// The challenge of a right password.
async fn challenge(api: &Api) -> String {
    text(&first_step(api).await.problem("second-factor-required", 401), "challenge").to_owned()
}

async fn second_step(api: &Api, challenge: &str, code: &str) -> Answer {
    let body = json!({"challenge": challenge, "code": code});
    api.call(Method::POST, "/v1/auth/token/second-factor", None, Some(body)).await
}

/// Sets it up; tokens of the session, secret, recovery codes.
async fn set_up(api: &Api) -> (Value, String, Vec<String>) {
    let tokens = log_in(api).await;
    let enrolled = call(api, &tokens, Method::POST, "totp", Some(json!({"password": PASSWORD}))).await.must(201);
    let secret = text(&enrolled, "secret").to_owned();
    assert!(text(&enrolled, "uri").contains(&secret));
    let body = json!({"code": code(api, &secret)});
    let confirmed = call(api, &tokens, Method::POST, "totp/confirm", Some(body)).await.must(200);
    let codes = confirmed["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    (tokens, secret, codes.collect())
}

#[tokio::test]
async fn a_log_in_takes_two_steps() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let clock = api.app().identity.credentials.clock.clone();
    let (tokens, secret, recovery) = set_up(&api).await;
    assert_eq!(recovery.len(), 10);
    let challenge = challenge(&api).await;
    // The code that confirmed it was used; so is each that logs in.
    second_step(&api, &challenge, &code(&api, &secret)).await.problem("unauthorized", 401);
    clock.advance(Duration::seconds(30));
    let code = code(&api, &secret);
    let begun = second_step(&api, &challenge, &code).await.must(200);
    assert_eq!(holds(&api, &begun).await, 200);
    second_step(&api, &challenge, &code).await.problem("unauthorized", 401);
    let other = self::challenge(&api).await;
    second_step(&api, &other, &code).await.problem("unauthorized", 401);
    // Recovery codes are good once.
    let used = recovery[3].to_uppercase();
    second_step(&api, &other, &used).await.must(200);
    let another = self::challenge(&api).await;
    second_step(&api, &another, &used).await.problem("unauthorized", 401);
    let status = call(&api, &tokens, Method::GET, "totp", None).await.must(200);
    assert_eq!((text(&status, "status"), status["recovery_codes_left"].as_i64()), ("enabled", Some(9)));
    // A challenge holds for five minutes.
    clock.advance(Duration::minutes(5));
    second_step(&api, &another, &self::code(&api, &secret)).await.problem("unauthorized", 401);
    second_step(&api, "iroko_ch_x", &self::code(&api, &secret)).await.problem("unauthorized", 401);
    // Neither the password nor the secret is in the database in clear.
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM totp").fetch_one(api.store.pool()).await.unwrap();
    let plain = Secret::try_from_base32(&secret).unwrap();
    assert!(!sealed.windows(20).any(|part| part == plain.as_bytes()));
}

#[tokio::test]
async fn nothing_is_asked_before_a_first_code_was_right() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let tokens = log_in(&api).await;
    let enrol =
        async |password: &str| call(&api, &tokens, Method::POST, "totp", Some(json!({"password": password}))).await;
    assert_eq!(enrol("wrong").await.fault(), fault("/password", "password_wrong"));
    let first = enrol(PASSWORD).await.must(201);
    let status = call(&api, &tokens, Method::GET, "totp", None).await.must(200);
    assert_eq!(text(&status, "status"), "pending");
    first_step(&api).await.must(200);
    // Begun anew, the first secret no longer counts.
    let second = enrol(PASSWORD).await.must(201);
    let confirm =
        async |code: String| call(&api, &tokens, Method::POST, "totp/confirm", Some(json!({"code": code}))).await;
    assert_eq!(confirm(code(&api, text(&first, "secret"))).await.fault(), fault("/code", "code_wrong"));
    confirm(code(&api, text(&second, "secret"))).await.must(200);
    enrol(PASSWORD).await.problem("conflict", 409);
    confirm(code(&api, text(&second, "secret"))).await.problem("conflict", 409);
    challenge(&api).await;
}

#[tokio::test]
async fn wrong_codes_count_as_failed_log_ins() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, secret, _) = set_up(&api).await;
    api.app().identity.credentials.clock.advance(Duration::minutes(1));
    let challenge = challenge(&api).await;
    for _ in 0..3 {
        second_step(&api, &challenge, "nonsense").await.problem("unauthorized", 401);
    }
    // A right password in between forgives nothing.
    self::challenge(&api).await;
    for _ in 0..2 {
        second_step(&api, &challenge, "nonsense").await.problem("unauthorized", 401);
    }
    let right = code(&api, &secret);
    second_step(&api, &challenge, &right).await.problem("too-many-requests", 429);
    first_step(&api).await.problem("too-many-requests", 429);
    api.app().identity.credentials.clock.advance(Duration::seconds(1));
    second_step(&api, &challenge, &right).await.must(200);
    first_step(&api).await.problem("second-factor-required", 401);
}

#[tokio::test]
async fn one_code_at_many_places_is_accepted_once() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, secret, _) = set_up(&api).await;
    api.app().identity.credentials.clock.advance(Duration::minutes(1));
    let code = code(&api, &secret);
    let challenges = futures::future::join_all((0..4).map(|_| challenge(&api))).await;
    let answers =
        futures::future::join_all(challenges.iter().map(|challenge| second_step(&api, challenge, &code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
}

#[tokio::test]
async fn it_can_be_given_up_and_taken_away() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (tokens, secret, recovery) = set_up(&api).await;
    let post =
        async |path: &str, code: &str| call(&api, &tokens, Method::POST, path, Some(json!({"code": code}))).await;
    assert_eq!(post("totp/disable", "000000").await.fault(), fault("/code", "code_wrong"));
    let renewed = post("totp/recovery-codes", &recovery[0]).await.must(200);
    assert_eq!(post("totp/recovery-codes", &recovery[1]).await.fault(), fault("/code", "code_wrong"));
    post("totp/disable", renewed["recovery_codes"][0].as_str().unwrap()).await.must(204);
    first_step(&api).await.must(200);
    post("totp/disable", &code(&api, &secret)).await.problem("conflict", 409);

    set_up(&api).await;
    let ids: (uuid::Uuid, uuid::Uuid) =
        sqlx::query_as("SELECT organization_id, id FROM account WHERE username = 'admin'")
            .fetch_one(api.store.pool())
            .await
            .unwrap();
    let path = |organization| format!("/v1/organizations/{organization}/users/{}/totp", ids.1);
    let owner = crate::api_key::owner(&api).await;
    // An operator's factor is not an owner's to take away.
    api.call(Method::DELETE, &path(ids.0), Some(&owner), None).await.problem("forbidden", 403);
    let demoted = "DELETE FROM role_binding WHERE role = 'operator' AND account_id = $1";
    sqlx::query(demoted).bind(ids.1).execute(api.store.pool()).await.unwrap();
    let reset = async |path: String| api.call(Method::DELETE, &path, Some(&owner), None).await;
    reset(path(uuid::Uuid::now_v7())).await.problem("not-found", 404);
    reset(path(ids.0)).await.must(204);
    reset(path(ids.0)).await.problem("not-found", 404);
    first_step(&api).await.must(200);
}

#[tokio::test]
async fn wrong_codes_are_forgiven_by_a_right_one_only() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (tokens, secret, _) = set_up(&api).await;
    let right = code(&api, &secret);
    let wrong = if right == "000000" { "111111" } else { "000000" };
    let guess = async || call(&api, &tokens, Method::POST, "totp/disable", Some(json!({"code": wrong}))).await.status;
    for _ in 0..4 {
        assert_eq!(guess().await, 422);
    }
    // The right password proves nothing of the second factor.
    call(&api, &tokens, Method::POST, "totp", Some(json!({"password": PASSWORD}))).await.problem("conflict", 409);
    assert_eq!(guess().await, 422);
    assert_eq!(guess().await, 429, "the sixth waits");
    call(&api, &tokens, Method::POST, "totp", Some(json!({"password": PASSWORD})))
        .await
        .problem("too-many-requests", 429);
    // A right code forgives all.
    api.app().identity.credentials.clock.advance(Duration::minutes(2));
    let body = json!({"code": code(&api, &secret)});
    call(&api, &tokens, Method::POST, "totp/recovery-codes", Some(body)).await.must(200);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM login_attempt").fetch_one(api.store.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_browser_takes_two_steps_to_its_cookie() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let (_, secret, _) = set_up(&api).await;
    api.app().identity.credentials.clock.advance(Duration::seconds(30));
    let step = async |path: &str, body: Value, fields: &[(&str, &str)]| {
        ask(&api, None, Method::POST, &format!("/v1/auth/sessions{path}"), fields, Some(body)).await
    };
    let first = step("", json!({"username": "admin", "password": PASSWORD}), &OWN).await;
    assert_eq!(given(&first), None, "no cookie for half a log-in");
    let refused = first.problem("second-factor-required", 401);
    assert!(text(&refused, "detail").contains("/v1/auth/sessions/second-factor"), "{refused}");
    let body = |code: &str| json!({"challenge": refused["challenge"], "code": code});
    let code = code(&api, &secret);
    step("/second-factor", body(&code), &OWN[..1]).await.problem("foreign-page", 403);
    step("/second-factor", body("000000"), &OWN).await.problem("unauthorized", 401);
    let begun = step("/second-factor", body(&code), &OWN).await;
    assert_eq!(begun.headers["location"], format!("/v1/auth/sessions/{}", text(&begun.must(201), "id")));
    let cookie = given(&begun).unwrap();
    ask(&api, Some(&cookie), Method::GET, "/v1/auth/me", &[], None).await.must(200);
    step("/second-factor", body(&code), &OWN).await.problem("unauthorized", 401);
}
