//! Log-in and the caller's projects.

use crate::world::{Api, PASSWORD, fault};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use iroko_test_database::database;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Method;
use serde_json::{Value, json};

async fn log_in(api: &Api, username: &str, password: &str) -> crate::world::Answer {
    let body = json!({"username": username, "password": password});
    api.call(Method::POST, "/v1/auth/token", None, Some(body)).await
}

#[tokio::test]
async fn only_the_right_password_gives_a_token() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let mut refusals = Vec::new();
    for (username, password) in [
        ("admin", "a wrong pass phrase"),
        ("nobody", PASSWORD),
        ("ad\0min", PASSWORD),
        ("admin", "nul \0 inside"),
        ("ADMIN", PASSWORD),
        ("", ""),
        // The password hash of the second project's person is none.
        ("kofi", "no password"),
    ] {
        let answer = log_in(&api, username, password).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        refusals.push(answer.problem("unauthorized", 401)["detail"].clone());
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "the answer does not tell whether the account exists: {refusals:?}");

    let right = log_in(&api, "admin", PASSWORD).await.must(200);
    assert_eq!((right["token_type"].as_str(), right["expires_in_s"].as_u64()), (Some("Bearer"), Some(900)));
    let token = right["access_token"].as_str().unwrap();
    let projects = api.call(Method::GET, "/v1/projects", Some(token), None).await.must(200);
    assert_eq!(projects["items"][0]["id"], api.project.to_string());
    assert_eq!(projects["items"].as_array().unwrap().len(), 1);
    api.call(Method::GET, "/v1/system/hosts", Some(token), None).await.must(200);
    let missing = api.call(Method::POST, "/v1/auth/token", None, Some(json!({"username": "admin"}))).await;
    assert_eq!(missing.fault(), fault("/password", "field_missing"));
}

/// Checks a token with nothing but the published keys.
fn claims(token: &str, jwks: &Value) -> Result<Value, jsonwebtoken::errors::Error> {
    let header = jsonwebtoken::decode_header(token)?;
    let keys = jwks["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"].as_str() == header.kid.as_deref()).expect("the key is published");
    let decoding = DecodingKey::from_ed_components(key["x"].as_str().unwrap())?;
    Ok(jsonwebtoken::decode::<Value>(token, &decoding, &Validation::new(Algorithm::EdDSA))?.claims)
}

#[tokio::test]
async fn the_published_keys_verify_tokens() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let jwks = api.call(Method::GET, "/.well-known/jwks.json", None, None).await.must(200);
    let token = log_in(&api, "admin", PASSWORD).await.must(200)["access_token"].as_str().unwrap().to_owned();
    let said = claims(&token, &jwks).unwrap();
    assert_eq!(said["username"], "admin");
    assert!(said.get("operator").is_none() && said.get("projects").is_none(), "what they may do is looked up: {said}");
    // A token whose claims were changed, and one that says it needs no signature.
    let parts: Vec<&str> = token.split('.').collect();
    let mut forged: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    forged["sub"] = json!(uuid::Uuid::now_v7());
    let forged = BASE64_URL_SAFE_NO_PAD.encode(forged.to_string());
    let unsigned = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for token in [format!("{}.{forged}.{}", parts[0], parts[2]), format!("{unsigned}.{}.", parts[1])] {
        let answer = api.call(Method::GET, "/v1/projects", Some(&token), None).await;
        answer.problem("unauthorized", 401);
    }
}
