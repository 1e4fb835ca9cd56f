//! A database that comes after those who need it.

use iroko_store::{Error, LEASE_S, Store};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// The directory of the cluster's socket, and its URL with another one.
fn socket(dir: &Path) -> (String, String) {
    let url = std::env::var("DATABASE_URL").unwrap();
    let (before, here) = url.split_once("?host=").expect("the cluster of the tests listens on a socket");
    (here.to_owned(), format!("{before}?host={}", dir.display()))
}

#[tokio::test]
async fn a_database_that_is_not_up_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (here, url) = socket(&dir.path().join("socket"));
    assert!(Store::connect(&url, 1).await.unwrap_err().is_transient());
    let waiting = tokio::spawn(async move { Store::connect_when_up(&url, 1, LEASE_S).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "there is nothing to connect to");
    symlink(here, dir.path().join("socket")).unwrap();
    let store = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    assert!(store.is_alive().await);
}

#[tokio::test]
async fn what_waiting_cannot_mend_is_an_error_at_once() {
    let url = std::env::var("DATABASE_URL").unwrap();
    let nobodys = url.replacen("/iroko?", "/no_such_database?", 1);
    assert_ne!(nobodys, url);
    for wrong in [nobodys.as_str(), "not a URL"] {
        let outcome =
            tokio::time::timeout(Duration::from_secs(20), Store::connect_when_up(wrong, 1, LEASE_S)).await.unwrap();
        assert!(matches!(outcome, Err(Error::Database(_))), "{wrong}: {outcome:?}");
    }
}
