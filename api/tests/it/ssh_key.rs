//! SSH keys.

use crate::world::{Api, KEY, fault};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

#[sqlx::test(migrations = "../store/migrations")]
async fn keys_are_made_shown_and_deleted(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let made = api.post("ssh-keys", json!({"name": "ama", "public_key": format!("{KEY}\n")})).await.must(201);
    assert_eq!(made["public_key"], KEY);
    assert_eq!(made["fingerprint"], "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    let at = format!("ssh-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(api.get(&at).await.must(200), made);
    assert_eq!(api.get("ssh-keys").await.must(200)["items"], json!([made]));
    api.post("ssh-keys", json!({"name": "ama", "public_key": KEY})).await.problem("conflict", 409);
    for (key, rule) in [
        ("ssh-ed25519 AAAA", "ssh_key_blob"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh_key_private"),
        ("no key", "ssh_key_kind"),
    ] {
        let answer = api.post("ssh-keys", json!({"name": "x", "public_key": key})).await;
        assert_eq!(answer.fault(), fault("/public_key", rule));
    }
    let both = api.post("ssh-keys", json!({"name": "", "public_key": "x"})).await.faults();
    assert_eq!(both, [fault("/name", "name_empty"), fault("/public_key", "ssh_key_kind")]);
    api.delete(&at).await.must(204);
    api.delete(&at).await.problem("not-found", 404);
    api.get(&at).await.problem("not-found", 404);
}
