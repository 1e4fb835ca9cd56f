//! The status that SQL filters by is the one that people are shown.

use iroko_model::instance::{Facts, ObservedState, Power, status};
use iroko_test_database::database;
use sqlx::PgPool;

#[tokio::test]
async fn sql_and_rust_derive_the_same_status() {
    let (_database, connect) = database().await;
    let pool = PgPool::connect_with(connect).await.unwrap();
    use ObservedState::*;
    let seen = [Preparing, Running, Stopping, Stopped, Rebooting, Paused, Failed, Absent];
    let seen: Vec<_> = seen.into_iter().map(Some).chain([None]).collect();
    let mut compared = 0;
    for power in [Power::Running, Power::Stopped, Power::Deleted] {
        for observed in &seen {
            for bits in 0..32_u32 {
                let is = |bit: u32| bits & (1 << bit) != 0;
                let (placed, given_up, host_unreachable) = (is(0), is(1), is(2));
                let (reboot_due, never_ran, observed) = (is(3), is(4), *observed);
                let facts = Facts {
                    power,
                    deleted: false,
                    placed,
                    given_up,
                    host_unreachable,
                    observed,
                    reboot_due,
                    never_ran,
                };
                let of_sql: String = sqlx::query_scalar("SELECT instance_status($1, $2, $3, $4, $5, $6, $7)")
                    .bind(power.as_str())
                    .bind(placed)
                    .bind(given_up)
                    .bind(host_unreachable)
                    .bind(observed.map(|state| state.as_str()))
                    .bind(reboot_due)
                    .bind(never_ran)
                    .fetch_one(&pool)
                    .await
                    .unwrap();
                assert_eq!(of_sql, status(facts).as_str(), "{facts:?}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * 9 * 32);
}
