//! What operators see of the whole cloud.

use crate::world::World;
use iroko_model::stuck::StuckCode;
use iroko_test_database::database;
use sqlx::Row;

/// A reason that the view gives and the model does not know would be told without words.
#[tokio::test]
async fn every_reason_of_the_view_is_known_to_the_model() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let view = sqlx::query("SELECT pg_get_viewdef('stuck'::regclass) AS text").fetch_one(world.store.pool()).await;
    let view: String = view.unwrap().get("text");
    let quoted = view.split('\'').skip(1).step_by(2);
    let statuses = ["pending", "deleting", "unreachable", "paused", "running", "stopped"];
    let others =
        ["instance", "action", "image", "port", "home", "net", "queued", "active", "ready", "failed", "text", "", "{}"];
    let unknown: Vec<_> = quoted
        .filter(|word| !statuses.contains(word) && !others.contains(word))
        .filter(|word| word.parse::<StuckCode>().is_err())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for code in StuckCode::ALL {
        assert!(view.contains(&format!("'{}'", code.as_str())), "the view never says {}", code.as_str());
    }
}
