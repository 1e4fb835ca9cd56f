//! The register of tables: none is forgotten, and each noun is dated. That each is behind row-level security: `isolation.rs`.

use crate::world::{World, room, size};
use iroko_test_database::database;

/// Tables of the system itself: no tenant's, and no part of a noun.
const SYSTEM: [&str; 15] = [
    "_sqlx_migrations",
    "audit_numbering",
    "audit_record",
    "audit_tree",
    "change",
    "event",
    "idempotency",
    "login_attempt",
    "login_challenge",
    "quota_kind",
    "recovery_code",
    "refresh_token",
    "registration",
    "session",
    "signing_key",
];

async fn names(world: &World, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(world.store.pool()).await.unwrap()
}

#[tokio::test]
async fn every_table_is_registered_or_the_systems_own() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let unregistered = names(
        &world,
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
         AND NOT c.relispartition AND c.relname NOT IN (SELECT table_name FROM registration) ORDER BY 1",
    )
    .await;
    let unknown: Vec<_> = unregistered.iter().filter(|name| !SYSTEM.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "neither registered (migration 0030) nor named here: {unknown:?}");
}

#[tokio::test]
async fn every_noun_is_dated_described_and_numbered() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let lacking = names(
        &world,
        "SELECT r.table_name || '.' || wanted FROM registration r
         CROSS JOIN unnest(ARRAY['created_at', 'updated_at', 'generation', 'description', 'labels']) AS wanted
         WHERE r.noun IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.table_name::regclass AND a.attname = wanted)",
    )
    .await;
    // A binding is not described: it is what it binds.
    assert_eq!(lacking, ["role_binding.description", "role_binding.labels"]);
}

#[tokio::test]
async fn a_change_is_dated_and_told_by_the_names_of_the_api() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let host = world.host("host", room(8)).await;
    let id = world.instance(size(1), &[]).await;
    let dated = "SELECT updated_at > created_at FROM instance WHERE id = $1";
    let is_dated =
        async || sqlx::query_scalar::<_, bool>(dated).bind(id.as_uuid()).fetch_one(world.store.pool()).await.unwrap();
    world.place(id, host).await;
    assert!(!is_dated().await, "where it is placed is no change of what is wanted");
    sqlx::query("UPDATE instance SET power = 'stopped', user_data = 'secret', generation = 2 WHERE id = $1")
        .bind(id.as_uuid())
        .execute(world.store.pool())
        .await
        .unwrap();
    assert!(is_dated().await);
    let told = names(
        &world,
        "SELECT verb || ' ' || coalesce(before::text, '-') || ' ' || after::text FROM event
         WHERE noun = 'instance' AND verb = 'changed' ORDER BY revision, seq",
    )
    .await;
    assert_eq!(
        told,
        [
            r#"changed {"status": null, "at_next_start": null, "status_reason": null} {"status": null, "at_next_start": null, "status_reason": null}"#,
            r#"changed {"power": "running", "status": null, "generation": 1} {"power": "stopped", "status": null, "generation": 2}"#,
        ]
    );
}
