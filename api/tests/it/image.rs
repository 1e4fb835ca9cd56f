//! Images: what is uploaded is checked before it is visible, and an upload that fails can be made again.

use crate::world::{Answer, Api, eventually, fault};
use futures::StreamExt;
use iroko_model::image::qcow2::blank;
use iroko_test_database::database;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgPoolOptions;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// A qcow2 image of an empty disk of 1 GiB, with a change.
fn qcow2(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = blank(1 << 30);
    change(&mut bytes);
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    iroko_web::hex(&Sha256::digest(bytes))
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

#[tokio::test]
async fn bytes_are_streamed_checked_and_kept() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7).to_le_bytes()[0]).collect();
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
    assert_eq!((&answer["size_bytes"], &answer["virtual_size_bytes"]), (&json!(blank(1 << 30).len()), &json!(1 << 30)));
    api.delete(&format!("images/{id}")).await.must(204);
    api.delete(&format!("images/{id}")).await.problem("not-found", 404);
    assert_eq!(files(&api), [disk]);
}

#[tokio::test]
async fn what_is_refused_can_be_uploaded_again() {
    let (_database, connect) = database().await;
    let api = Api::start_with(&connect, |config| config.image.max_gib = 0).await;
    let raw = make(&api, "raw").await;
    api.upload(&raw, "one byte is too many").await.problem("too-large", 413);
    assert_eq!((status(&api, &raw).await, files(&api)), ("queued".to_owned(), vec![]));
    drop(api);
}

#[tokio::test]
async fn dangerous_and_wrong_bytes_are_refused() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let id = make(&api, "qcow2").await;
    for (bytes, rule) in [
        (qcow2(|h| h[15] = 200), "qcow2_backing_file"),
        (qcow2(|h| h[79] = 4), "qcow2_features"),
        (qcow2(|h| h[35] = 1), "qcow2_encrypted"),
        (qcow2(|h| h[24] = 0x80), "qcow2_size"),
        (qcow2(|h| h.truncate(h.len() / 2)), "qcow2_damaged"),
        ([blank(1 << 20), vec![0; 4 << 20]].concat(), "qcow2_longer_than_disk"),
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
    for bytes in [&b"QFI\xfb"[..], b"\x1f\x8b\x08", b"PK\x03\x04", b"KDMV"] {
        let other = make(&api, "raw").await;
        assert_eq!(api.upload(&other, bytes).await.fault(), fault("/disk_format", "not_raw"));
        let long = [bytes, &[0; 4096]].concat();
        assert_eq!(api.upload(&other, long).await.fault(), fault("/disk_format", "not_raw"));
    }
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

/// Images as QEMU makes them are taken whole, and not when the end is missing.
#[tokio::test]
async fn images_of_every_option_are_taken_whole() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let dir = tempfile::tempdir().unwrap();
    let (raw, image) = (dir.path().join("raw"), dir.path().join("image"));
    // Noise, nothing, noise; the last cluster is used to its end.
    let mut noise = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()[0]
    };
    let mut disk: Vec<u8> = (0..3_000_000).map(|_| next()).collect();
    disk.resize((6 << 20) - 70_000, 0);
    disk.extend((0..70_000).map(|_| next()));
    std::fs::write(&raw, &disk).unwrap();
    let table: [&[&str]; 13] = [
        &[],
        &["-o", "compat=0.10"],
        &["-c"],
        &["-c", "-o", "compat=0.10"],
        &["-c", "-o", "compression_type=zstd"],
        &["-o", "cluster_size=512"],
        &["-c", "-o", "cluster_size=512"],
        &["-o", "cluster_size=2M"],
        &["-o", "lazy_refcounts=on"],
        &["-o", "refcount_bits=1"],
        &["-o", "refcount_bits=64"],
        &["-o", "preallocation=metadata"],
        &["-o", "preallocation=full"],
    ];
    for options in table {
        let mut convert = std::process::Command::new("qemu-img");
        convert.args(["convert", "-f", "raw", "-O", "qcow2"]).args(options).arg(&raw).arg(&image);
        assert!(convert.status().unwrap().success(), "{options:?}");
        let bytes = std::fs::read(&image).unwrap();
        let id = make(&api, "qcow2").await;
        for cut in [bytes.len() / 2, bytes.len() * 3 / 4, bytes.len() - 1024] {
            let answer = api.upload(&id, bytes[..cut].to_vec()).await;
            assert_eq!(
                answer.fault(),
                fault("/disk_format", "qcow2_damaged"),
                "{options:?} cut at {cut} of {}",
                bytes.len()
            );
        }
        let taken = api.upload(&id, bytes).await.must(200);
        let size = u64::try_from(disk.len().next_multiple_of(512)).unwrap();
        assert_eq!(taken["virtual_size_bytes"], size, "{options:?}");
    }
}

/// A body in parts or encoded is no upload, and no request either.
#[tokio::test]
async fn bodies_come_whole_and_as_they_are() {
    let (_database, connect) = database().await;
    let api = Api::start(&connect).await;
    let id = make(&api, "raw").await;
    let path = api.at(&format!("images/{id}/file"));
    let put = |name: &'static str, value: &'static str| {
        api.send(api.request(Method::PUT, &path).bearer_auth(&api.member).header(name, value).body("a part"))
    };
    put("content-range", "bytes 3-8/9").await.problem("bad-request", 400);
    put("content-encoding", "gzip").await.problem("unsupported-media-type", 415);
    let json = api.request(Method::POST, &api.at("networks")).bearer_auth(&api.member);
    let json = json.header("content-type", "application/json").header("content-encoding", "gzip").body("{}");
    api.send(json).await.problem("unsupported-media-type", 415);
    assert_eq!((status(&api, &id).await, files(&api)), ("queued".to_owned(), vec![]));
    put("content-encoding", "identity").await.must(200);
}

/// What several uploads reserve counts together, before their bytes are written, and is given back.
#[tokio::test]
async fn quota_is_reserved_while_bytes_come() {
    let (_database, connect) = database().await;
    let api = std::sync::Arc::new(Api::start(&connect).await);
    let quotas = api.at("quotas");
    let limit =
        |gib: u64| api.call(Method::PUT, &quotas, Some(&api.operator), Some(json!({"limits": {"image_gib": gib}})));
    limit(1).await.must(200);
    let (first, second) = (make(&api, "raw").await, make(&api, "raw").await);
    let (send, upload) = slow_upload(&api, &first);
    send.send(Ok(b"first")).await.unwrap();
    let uploading = || async {
        match status(&api, &first).await {
            status if status == "uploading" && files(&api).len() == 1 => Ok(()),
            other => Err(other),
        }
    };
    eventually("the upload begins", uploading).await;
    let refused = api.upload(&second, "second").await.problem("quota-exceeded", 409);
    assert!(refused["detail"].as_str().unwrap().contains("image_gib"), "{refused}");
    assert_eq!((status(&api, &second).await, files(&api).len()), ("queued".to_owned(), 1));
    drop(send);
    upload.await.unwrap().must(200);
    api.upload(&second, "second").await.problem("quota-exceeded", 409);
    api.delete(&format!("images/{first}")).await.must(204);
    api.upload(&second, "second").await.must(200);
    // A length that is announced is reserved as a whole: not a byte is asked for.
    limit(3).await.must(200);
    let large = make(&api, "raw").await;
    let mut socket = TcpStream::connect(api.listening.as_ref().unwrap().rest).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        api.at(&format!("images/{large}/file")),
        api.member,
        3u64 << 30
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 409");
    // Who sends on all the same can still read the answer.
    let mut socket = TcpStream::connect(api.listening.as_ref().unwrap().rest).await.unwrap();
    socket.write_all(head.replace("Expect: 100-continue\r\n", "").as_bytes()).await.unwrap();
    for _ in 0..64 {
        socket.write_all(&vec![0; 1 << 20]).await.unwrap();
    }
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 409");
    drop(socket);
    // Of an upload whose API died, the reservation ends with its lease.
    let pool = PgPoolOptions::new().connect_with(connect.clone()).await.unwrap();
    let left_behind = "UPDATE image SET status = 'uploading', reserved_gib = 3, upload_id = gen_random_uuid(), upload_lease = now() + $2 * interval '1 s' WHERE id = $1";
    let leave = |lease_s: f64| {
        let id: uuid::Uuid = large.parse().unwrap();
        sqlx::query(left_behind).bind(id).bind(lease_s).execute(&pool)
    };
    let third = make(&api, "raw").await;
    leave(60.0).await.unwrap();
    api.upload(&third, "third").await.problem("quota-exceeded", 409);
    leave(-1.0).await.unwrap();
    api.upload(&third, "third").await.must(200);
    pool.close().await;
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

#[tokio::test]
async fn of_two_uploads_at_once_the_first_goes_on() {
    let (_database, connect) = database().await;
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

#[tokio::test]
async fn an_upload_that_broke_off_can_be_made_again_at_once() {
    let (_database, connect) = database().await;
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

#[tokio::test]
async fn an_image_in_use_stays() {
    let (_database, connect) = database().await;
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
