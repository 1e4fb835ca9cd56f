//! Images: what is uploaded is checked before it is visible, and an upload that fails can be made again.

use crate::world::{Answer, Api, eventually, fault};
use futures::StreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// A qcow2 header, version 3, of a disk of 1 GiB, with a change.
fn qcow2(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0u8; 512];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    bytes[7] = 3;
    bytes[28..32].copy_from_slice(&(1u32 << 30).to_be_bytes());
    change(&mut bytes);
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    iroko_api::agent_link::hex(&Sha256::digest(bytes))
}

async fn make(api: &Api, format: &str) -> String {
    api.post("images", json!({"name": "i", "disk_format": format})).await.made()
}

/// Files in the image store.
fn files(api: &Api) -> Vec<String> {
    let entries = std::fs::read_dir(api.state_dir().join("images")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn status(api: &Api, id: &str) -> String {
    api.get(&format!("images/{id}")).await.must(200)["status"].as_str().unwrap().to_owned()
}

#[sqlx::test(migrations = "../store/migrations")]
async fn bytes_are_streamed_checked_and_kept(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
    let body = json!({"name": "debian", "disk_format": "raw", "sha256": sha256(&bytes).to_uppercase()});
    let queued = api.post("images", body).await.must(201);
    assert_eq!((queued["status"].as_str(), queued["architecture"].as_str()), (Some("queued"), Some("x86_64")));
    let id = queued["id"].as_str().unwrap();
    let pieces: Vec<io::Result<Vec<u8>>> = bytes.chunks(100_000).map(|piece| Ok(piece.to_vec())).collect();
    let stream = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let active = api.upload(id, stream).await.must(200);
    assert_eq!(active["status"], "active");
    assert_eq!((&active["size_bytes"], &active["virtual_size_bytes"]), (&json!(3_000_000), &json!(3_000_000)));
    assert_eq!(active["sha256"], sha256(&bytes));
    assert_eq!(api.get(&format!("images/{id}")).await.must(200), active);
    assert_eq!(std::fs::read(api.state_dir().join("images").join(id)).unwrap(), bytes);
    let second = api.upload(id, "other bytes").await.problem("conflict", 409);
    assert!(second["detail"].as_str().unwrap().contains("active"), "{second}");
    let disk = make(&api, "qcow2").await;
    let answer = api.upload(&disk, qcow2(|_| {})).await.must(200);
    assert_eq!((&answer["size_bytes"], &answer["virtual_size_bytes"]), (&json!(512), &json!(1 << 30)));
    api.delete(&format!("images/{id}")).await.must(204);
    api.delete(&format!("images/{id}")).await.problem("not-found", 404);
    assert_eq!(files(&api), [disk]);
}

#[sqlx::test(migrations = "../store/migrations")]
async fn what_is_refused_can_be_uploaded_again(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start_with(&connect, |config| config.image.max_gib = 0).await;
    let raw = make(&api, "raw").await;
    api.upload(&raw, "one byte is too many").await.problem("too-large", 413);
    assert_eq!((status(&api, &raw).await, files(&api)), ("queued".to_owned(), vec![]));
    drop(api);
}

#[sqlx::test(migrations = "../store/migrations")]
async fn dangerous_and_wrong_bytes_are_refused(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let id = make(&api, "qcow2").await;
    for (bytes, rule) in [
        (qcow2(|h| h[15] = 200), "qcow2_backing_file"),
        (qcow2(|h| h[79] = 4), "qcow2_features"),
        (qcow2(|h| h[35] = 1), "qcow2_encrypted"),
        (qcow2(|h| h[0] = 0), "not_qcow2"),
        (b"#!/bin/sh".to_vec(), "not_qcow2"),
        (vec![], "not_qcow2"),
    ] {
        assert_eq!(api.upload(&id, bytes).await.fault(), fault("/disk_format", rule));
        assert_eq!((status(&api, &id).await, files(&api)), ("queued".to_owned(), vec![]), "{rule}");
    }
    api.upload(&id, qcow2(|_| {})).await.must(200);
    let body = json!({"name": "i", "disk_format": "raw", "sha256": sha256(b"right")});
    let checked = api.post("images", body).await.made();
    assert_eq!(api.upload(&checked, "wrong").await.fault(), fault("/sha256", "checksum_differs"));
    assert_eq!(status(&api, &checked).await, "queued");
    api.upload(&checked, "right").await.must(200);
    let empty = make(&api, "raw").await;
    assert_eq!(api.upload(&empty, "").await.fault(), fault("/disk_format", "image_empty"));
    let bad = json!({"name": " ", "disk_format": "vmdk", "architecture": "z80", "sha256": "abc"});
    let wanted = [
        ("/architecture", "architecture_unknown"),
        ("/disk_format", "disk_format_unknown"),
        ("/name", "name_padded"),
        ("/sha256", "sha256_form"),
    ];
    assert_eq!(api.post("images", bad).await.faults(), wanted.map(|(pointer, rule)| fault(pointer, rule)));
}

/// An upload that waits for more bytes until the sender is dropped.
fn slow_upload(
    api: &std::sync::Arc<Api>,
    id: &str,
) -> (mpsc::Sender<io::Result<&'static [u8]>>, tokio::task::JoinHandle<Answer>) {
    let (send, receive) = mpsc::channel(1);
    let stream = futures::stream::unfold(receive, |mut receive| async move { Some((receive.recv().await?, receive)) });
    let (api, id) = (api.clone(), id.to_owned());
    (send, tokio::spawn(async move { api.upload(&id, reqwest::Body::wrap_stream(stream.boxed())).await }))
}

#[sqlx::test(migrations = "../store/migrations")]
async fn of_two_uploads_at_once_the_first_goes_on(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = std::sync::Arc::new(Api::start(&connect).await);
    let id = make(&api, "raw").await;
    let (send, upload) = slow_upload(&api, &id);
    send.send(Ok(b"first ")).await.unwrap();
    let uploading = || async {
        match status(&api, &id).await {
            status if status == "uploading" => Ok(()),
            other => Err(other),
        }
    };
    eventually("the upload begins", uploading).await;
    api.upload(&id, "second").await.problem("conflict", 409);
    send.send(Ok(b"upload")).await.unwrap();
    drop(send);
    let active = upload.await.unwrap().must(200);
    assert_eq!(active["sha256"], sha256(b"first upload"));
}

#[sqlx::test(migrations = "../store/migrations")]
async fn an_upload_that_broke_off_can_be_made_again_at_once(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let id = make(&api, "raw").await;
    let address = api.listening.as_ref().unwrap().rest;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\nonly this",
        api.at(&format!("images/{id}/file")),
        api.member
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let is = |wanted: &'static str| {
        let (api, id) = (&api, &id);
        move || async move {
            let seen = (status(api, id).await, files(api));
            if seen.0 == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
        }
    };
    eventually("the upload begins", is("uploading")).await;
    drop(socket);
    eventually("the record is given back", is("queued")).await;
    assert!(files(&api).is_empty());
    api.upload(&id, "all of it").await.must(200);
}

#[sqlx::test(migrations = "../store/migrations")]
async fn an_image_in_use_stays(_: PgPoolOptions, connect: PgConnectOptions) {
    let api = Api::start(&connect).await;
    let ground = api.ground("10.0.0.0/24").await;
    let instance = api.instance(&ground).await;
    api.delete(&format!("images/{}", ground.image)).await.problem("conflict", 409);
    api.delete(&format!("instances/{instance}")).await.must(202);
    api.delete(&format!("images/{}", ground.image)).await.must(204);
    // A file that belongs to no record, as a crash may leave it, is swept when it is old enough.
    let stray = api.state_dir().join("images").join(uuid::Uuid::now_v7().to_string());
    std::fs::write(&stray, "x").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().write(true).open(&stray).unwrap().set_modified(long_ago).unwrap();
    let mut api = api;
    api.stop().await;
    api.start_again().await;
    assert!(!stray.exists());
    let mut socket = TcpStream::connect(api.listening.as_ref().unwrap().rest).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}
