//! Migrations: they keep what is there, and running them again changes nothing.

use crate::world::{World, room, size};
use iroko_test_database::{database, empty_database};
use sqlx::postgres::PgPoolOptions;

/// Every row of every table as text, in a fixed order.
async fn dump(world: &World) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations' ORDER BY 1",
    )
    .fetch_all(world.store.pool())
    .await
    .unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let text = format!("SELECT $1 || ': ' || t::text FROM {table} AS t ORDER BY 1");
        let found: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).bind(&table).fetch_all(world.store.pool()).await.unwrap();
        rows.extend(found);
    }
    rows
}

#[tokio::test]
async fn running_them_again_changes_nothing() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(8)).await;
    let network = world.network(&["10.0.0.0/24", "fd00::/64"]).await;
    let id = world.instance(size(1), &[network]).await;
    world.place(id, host).await;
    let before = dump(&world).await;
    assert!(before.len() > 12, "the tables are not empty: {before:#?}");
    world.store.migrate().await.unwrap();
    world.store.migrate().await.unwrap();
    assert_eq!(dump(&world).await, before);
}

#[tokio::test]
async fn daemons_that_start_together_migrate_once() {
    let (_database, connect) = empty_database().await;
    let options = PgPoolOptions::new().max_connections(4);
    let stores = [(); 3].map(|()| iroko_store::Store::from_pool(options.clone().connect_lazy_with(connect.clone())));
    let (a, b, c) = tokio::join!(stores[0].migrate(), stores[1].migrate(), stores[2].migrate());
    a.and(b).and(c).unwrap();
    let world = World::new(&connect, 2).await;
    assert!(!dump(&world).await.is_empty());
}

/// In the middle of an upgrade a process of the release before starts again: it finds a newer schema, and runs.
#[tokio::test]
async fn a_newer_schema_is_no_reason_not_to_start() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (900001, 'of the next release', true, '\\x00', 1)";
    sqlx::query(newer).execute(world.store.pool()).await.unwrap();
    sqlx::query("ALTER TABLE host ADD COLUMN of_the_next_release text").execute(world.store.pool()).await.unwrap();
    world.store.migrate().await.unwrap();
    world.host("host", room(8)).await;
    // One that is not what it was when it was run is another matter.
    let other = "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 10";
    sqlx::query(other).execute(world.store.pool()).await.unwrap();
    assert!(world.store.migrate().await.is_err());
}
