//! Statistics: what hosts may tell, that it comes twice or late, and that a total never gets smaller.

use crate::world::{World, room, session, size};
use iroko_agent_wire::{AgentKind, PortCounts, RuleCounts, StatisticsReport};
use iroko_model::{HostId, InstanceId, PortId, SecurityGroupId, SecurityGroupRuleId};
use iroko_store::{host, statistics};
use iroko_test_database::database;
use uuid::Uuid;

fn counts(id: PortId, epoch: i64, packets: u64) -> PortCounts {
    PortCounts {
        id,
        epoch,
        rx_packets: packets,
        rx_bytes: packets * 10,
        tx_packets: packets * 2,
        tx_bytes: packets * 20,
        rx_dropped_groups: packets + 1,
        rx_dropped_limits: packets + 2,
        tx_dropped_security: packets + 3,
        tx_dropped_groups: packets + 4,
        tx_dropped_limits: packets + 5,
        records_lost: packets + 6,
        rx_dropped_flows: packets + 7,
        tx_dropped_flows: packets + 8,
    }
}

fn report(incarnation: i64, sequence: i64, ports: Vec<PortCounts>, rules: Vec<RuleCounts>) -> StatisticsReport {
    StatisticsReport { incarnation, sequence, ports, rules }
}

async fn tell(world: &World, host: HostId, report: &StatisticsReport) -> bool {
    let mut tx = world.begin().await;
    let taken = statistics::statistics_accept(&mut tx, host, report).await.unwrap();
    world.commit(tx).await;
    taken
}

async fn of_port(world: &World, id: PortId) -> Vec<i64> {
    let mut tx = world.store.begin_bound(world.project).await.unwrap();
    statistics::port_statistics(&mut tx, world.project, id).await.unwrap().unwrap().counts
}

/// A machine of the network on a host, and its port.
async fn machine(world: &World, network: iroko_model::NetworkId, on: HostId) -> (InstanceId, PortId) {
    let id = world.instance(size(1), &[network]).await;
    world.place(id, on).await;
    (id, world.get(id).await.interfaces.0[0].port_id.into())
}

#[tokio::test]
async fn totals_grow_over_epochs_and_hosts() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/24"]).await;
    let (here, there) = (world.host("here", room(8)).await, world.host("there", room(8)).await);
    let (instance, port) = machine(&world, network, here).await;
    assert_eq!(of_port(&world, port).await, [] as [i64; 0], "nothing was counted yet");
    let table = [
        ("the first", here, report(1, 1, vec![counts(port, 7, 10)], vec![]), true, 10),
        ("the same once more", here, report(1, 1, vec![counts(port, 7, 99)], vec![]), false, 10),
        ("its content once more", here, report(1, 2, vec![counts(port, 7, 10)], vec![]), true, 10),
        ("more", here, report(1, 4, vec![counts(port, 7, 15)], vec![]), true, 15),
        ("one that was late", here, report(1, 3, vec![counts(port, 6, 12)], vec![]), false, 15),
        ("less, which cannot be", here, report(1, 5, vec![counts(port, 7, 3)], vec![]), true, 15),
        ("another epoch", here, report(1, 6, vec![counts(port, 8, 5)], vec![]), true, 20),
        ("named twice", here, report(1, 7, vec![counts(port, 8, 6), counts(port, 8, 6)], vec![]), true, 21),
        ("of another session", here, report(2, 8, vec![counts(port, 8, 50)], vec![]), false, 21),
        ("a host that does not have it", there, report(1, 1, vec![counts(port, 1, 500)], vec![]), true, 21),
    ];
    for (what, host, report, taken, packets) in table {
        assert_eq!(tell(&world, host, &report).await, taken, "{what}");
        assert_eq!(of_port(&world, port).await[0], packets, "{what}");
    }

    // It moves, and its first host does not know yet.
    for moves in [
        "UPDATE instance_host SET host_id = $1 WHERE instance_id = $2",
        "UPDATE port_host b SET host_id = $1 FROM port p WHERE p.id = b.port_id AND p.instance_id = $2",
    ] {
        let moved = sqlx::query(moves).bind(there.as_uuid()).bind(instance.as_uuid()).execute(world.store.pool());
        assert_eq!(moved.await.unwrap().rows_affected(), 1);
    }
    assert!(tell(&world, there, &report(1, 2, vec![counts(port, 3, 100)], vec![])).await);
    assert!(tell(&world, here, &report(1, 9, vec![counts(port, 8, 1000)], vec![])).await);
    let (packets, epochs) = (15 + 6 + 100, 3);
    let expected = [
        packets,
        packets * 10,
        packets * 2,
        packets * 20,
        packets + epochs,
        packets + 2 * epochs,
        packets + 3 * epochs,
        packets + 4 * epochs,
        packets + 5 * epochs,
        packets + 6 * epochs,
        packets + 7 * epochs,
        packets + 8 * epochs,
    ];
    assert_eq!(of_port(&world, port).await, expected);

    // What no counter can hold makes nothing fail.
    assert!(tell(&world, there, &report(1, 3, vec![counts(port, 4, u64::MAX / 100)], vec![])).await);
    assert!(
        tell(&world, there, &report(1, 4, vec![PortCounts { rx_packets: u64::MAX, ..counts(port, 5, 1) }], vec![]))
            .await
    );
    assert_eq!(of_port(&world, port).await[0], i64::MAX);
}

#[tokio::test]
async fn rules_are_summed_over_the_hosts_that_know_them() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/24"]).await;
    let (one, two, other) =
        (world.host("one", room(8)).await, world.host("two", room(8)).await, world.host("other", room(8)).await);
    machine(&world, network, one).await;
    machine(&world, network, two).await;
    let mut tx = world.begin().await;
    let group: SecurityGroupId = world.default_group(&mut tx).await.into();
    let rules: Vec<SecurityGroupRuleId> =
        sqlx::query_scalar::<_, Uuid>("SELECT id FROM security_group_rule WHERE security_group_id = $1 ORDER BY id")
            .bind(group.as_uuid())
            .fetch_all(&mut *tx)
            .await
            .unwrap()
            .into_iter()
            .map(Into::into)
            .collect();
    drop(tx);
    let told = |epoch, packets| vec![RuleCounts { id: rules[0], epoch, packets, bytes: packets * 100 }];
    assert!(tell(&world, one, &report(1, 1, vec![], told(1, 5))).await);
    assert!(tell(&world, two, &report(1, 1, vec![], told(1, 7))).await);
    assert!(tell(&world, one, &report(1, 2, vec![], told(2, 1))).await);
    assert!(tell(&world, other, &report(1, 1, vec![], told(1, 1000))).await, "of its session, but not its rule");
    let mut tx = world.store.begin_bound(world.project).await.unwrap();
    let seen = statistics::security_group_statistics(&mut tx, world.project, group).await.unwrap().unwrap();
    let seen: Vec<_> = seen.iter().map(|row| (row.rule_id, &row.counts[..], row.measured_at.is_some())).collect();
    let silent = |at: usize| (rules[at].as_uuid(), &[][..], false);
    assert_eq!(seen, [(rules[0].as_uuid(), &[13, 1300][..], true), silent(1), silent(2), silent(3)]);
    drop(tx);

    // A host that is forgotten takes nothing along; a rule that is deleted takes its counts.
    let mut tx = world.begin().await;
    for (sql, id) in [
        ("DELETE FROM port_host WHERE host_id = $1", two.as_uuid()),
        ("DELETE FROM instance_host WHERE host_id = $1", two.as_uuid()),
        ("DELETE FROM host WHERE id = $1", two.as_uuid()),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).execute(&mut *tx).await.unwrap();
    }
    let seen = statistics::security_group_statistics(&mut tx, world.project, group).await.unwrap().unwrap();
    assert_eq!(seen[0].counts, [13, 1300]);
    sqlx::query("DELETE FROM security_group_rule WHERE id = $1")
        .bind(rules[0].as_uuid())
        .execute(&mut *tx)
        .await
        .unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM security_group_rule_statistics").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_new_session_goes_on() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/24"]).await;
    let here = world.host("here", room(8)).await;
    let (_, port) = machine(&world, network, here).await;
    assert!(tell(&world, here, &report(1, 900, vec![counts(port, 7, 10)], vec![])).await);
    let mut tx = world.begin().await;
    host::session_begin(&mut tx, here, &session(AgentKind::Net, room(8))).await.unwrap();
    world.commit(tx).await;
    assert!(
        !tell(&world, here, &report(1, 901, vec![counts(port, 7, 11)], vec![])).await,
        "of a session that has ended"
    );
    assert!(tell(&world, here, &report(2, 1, vec![counts(port, 7, 12)], vec![])).await);
    assert_eq!(of_port(&world, port).await[0], 12);
}
