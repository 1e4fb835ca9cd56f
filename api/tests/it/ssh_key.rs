//! SSH keys.

use crate::world::{Api, KEY, fault};
use iroko_test_database::database;
use serde_json::json;

#[tokio::test]
async fn keys_are_made_shown_and_deleted() {
    let (_database, connect) = database().await;
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

/// What this API takes and what ssh-keygen takes is the same, of keys that are broken in every place.
#[test]
fn keys_are_judged_as_ssh_keygen_judges_them() {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use std::process::Command;
    let dir = tempfile::tempdir().unwrap();
    let mut lines = vec![];
    for (kind, bits) in
        [("ed25519", "256"), ("rsa", "1024"), ("rsa", "2048"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")]
    {
        let path = dir.path().join(format!("{kind}-{bits}"));
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "", "-f"]).arg(&path);
        assert!(make.status().unwrap().success(), "{kind} {bits}");
        let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let (word, blob) = line.trim().split_once(' ').unwrap();
        let octets = BASE64_STANDARD.decode(blob).unwrap();
        let mut say = |octets: &[u8]| lines.push(format!("{word} {}", BASE64_STANDARD.encode(octets)));
        say(&octets);
        for cut in (1..octets.len()).step_by(7) {
            say(&octets[..cut]);
        }
        say(&[&octets[..], &[0]].concat());
        // In the lengths and the names; a number or a point elsewhere may be another one that is right.
        for at in 0..(word.len() + 8).min(octets.len()) {
            let mut changed = octets.clone();
            changed[at] ^= 0x10;
            say(&changed);
        }
    }
    let file = dir.path().join("all");
    let numbered: Vec<String> = lines.iter().enumerate().map(|(n, line)| format!("{line} n{n}")).collect();
    std::fs::write(&file, numbered.join("\n")).unwrap();
    let listed = Command::new("ssh-keygen").arg("-l").arg("-f").arg(&file).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let taken: std::collections::HashSet<&str> = listed.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert!(taken.len() >= 6, "{listed}");
    for (n, line) in lines.iter().enumerate() {
        let ours = iroko_model::ssh_key::parse(line).is_ok();
        assert_eq!(ours, taken.contains(format!("n{n}").as_str()), "{line}");
    }
}
