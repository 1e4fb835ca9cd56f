//! What a request may commit.

use iroko_store::request::{Request, within};
use iroko_store::{Error, Store};
use iroko_test_database::database;
use sqlx::ConnectOptions;
use std::sync::Arc;

#[tokio::test]
async fn a_request_that_reads_commits_nothing() {
    let (_database, connect) = database().await;
    let store = Store::connect(connect.to_url_lossy().as_str(), 2).await.unwrap();
    let change = async || {
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE audit_tree SET size = size + 1").execute(&mut *tx).await.unwrap();
        store.commit(tx).await
    };
    let as_a = |is_change| Arc::new(Request::new("id".into(), "operation".into(), None, is_change));
    assert!(matches!(within(as_a(false), change()).await, Err(Error::OnlyReads)));
    within(as_a(true), change()).await.unwrap();
    let size: i64 = sqlx::query_scalar("SELECT size FROM audit_tree").fetch_one(store.pool()).await.unwrap();
    assert_eq!(size, 1);
}
