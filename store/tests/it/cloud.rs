//! What operators see of the whole cloud: the status in SQL is that of the model.

use crate::world::{World, room, size};
use iroko_model::instance::{Facts, ObservedState, Power, status};
use iroko_model::stuck::StuckCode;
use iroko_store::cloud_instance::CloudInstance;
use iroko_store::noun::{self, Listing, Within};
use iroko_store::{Error, PageQuery};
use iroko_test_database::database;
use sqlx::Row;
use std::time::Duration;

/// Every combination of what the status is made of.
fn combinations() -> Vec<Facts> {
    use ObservedState as O;
    let observed = [
        None,
        Some(O::Preparing),
        Some(O::Running),
        Some(O::Stopping),
        Some(O::Stopped),
        Some(O::Rebooting),
        Some(O::Paused),
        Some(O::Failed),
        Some(O::Absent),
    ];
    let mut all = Vec::new();
    for power in [Power::Running, Power::Stopped, Power::Deleted] {
        for observed in observed {
            for bits in 0..32_u8 {
                let bit = |n: u8| bits & (1 << n) != 0;
                all.push(Facts {
                    power,
                    observed,
                    deleted: false,
                    placed: bit(0),
                    given_up: bit(1),
                    host_unreachable: bit(2),
                    reboot_due: bit(3),
                    never_ran: bit(4),
                });
            }
        }
    }
    all
}

#[tokio::test]
async fn the_status_of_a_list_is_that_of_the_model() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    for facts in combinations() {
        let told: String = sqlx::query_scalar("SELECT instance_status($1, $2, $3, $4, $5, $6, $7)")
            .bind(facts.power.as_str())
            .bind(facts.placed)
            .bind(facts.given_up)
            .bind(facts.host_unreachable)
            .bind(facts.observed.as_ref().map(ObservedState::as_str))
            .bind(facts.reboot_due)
            .bind(facts.never_ran)
            .fetch_one(world.store.pool())
            .await
            .unwrap();
        assert_eq!(told, status(facts).as_str(), "{facts:?}");
    }
}

#[tokio::test]
async fn nobody_is_called_silent_without_a_lease() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    let host = world.host("host", room(8)).await;
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    let listing = Listing::of(PageQuery { limit: 10, after: None });
    let mut plain = world.begin().await;
    let outcome = noun::page::<CloudInstance>(&mut plain, &Within::system(), &listing).await;
    assert!(matches!(outcome, Err(Error::Database(_))), "{outcome:?}");
    drop(plain);
    let mut seeing = world.store.begin_seeing(Duration::from_secs(20)).await.unwrap();
    let (page, _) = noun::page::<CloudInstance>(&mut seeing, &Within::system(), &listing).await.unwrap();
    assert_eq!(page.items.iter().map(|row| row.host_id).collect::<Vec<_>>(), [Some(host.as_uuid())]);
}

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
        ["instance", "action", "image", "port", "home", "net", "queued", "active", "ready", "failed", "", "{}"];
    let unknown: Vec<_> = quoted
        .filter(|word| !statuses.contains(word) && !others.contains(word))
        .filter(|word| word.parse::<StuckCode>().is_err())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for code in StuckCode::ALL {
        assert!(view.contains(&format!("'{}'", code.as_str())), "the view never says {}", code.as_str());
    }
}
