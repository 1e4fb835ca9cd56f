//! QoS policies: a change of one reaches the hosts of its ports, also of those that come at the same moment.

use crate::world::{World, name, room, size};
use iroko_model::port::PortLimits;
use iroko_model::{InstanceId, Labels, PortId, QosPolicyId};
use iroko_store::port::{self, PortChange};
use iroko_store::qos_policy::{self, NewQosPolicy, QosPolicyChange};
use iroko_store::{Result, placement};
use iroko_test_database::database;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

const NARROW: PortLimits =
    PortLimits { ingress_kbit_s: None, egress_kbit_s: Some(7), ingress_packets_s: None, egress_packets_s: None };

/// A project with a policy and a machine whose port has none yet.
async fn ground(connect: &PgConnectOptions) -> (Arc<World>, QosPolicyId, InstanceId, PortId) {
    let world = Arc::new(World::new(connect, 6).await);
    let network = world.network(&["10.0.0.0/24"]).await;
    let instance = world.instance(size(1), &[network]).await;
    let port = world.get(instance).await.interfaces[0].port_id.into();
    let mut tx = world.begin().await;
    let (name, labels, limits) = (name("q"), Labels::default(), PortLimits::default());
    let new = NewQosPolicy { project_id: world.project, name: &name, description: "", limits, labels: &labels };
    let policy = qos_policy::qos_policy_insert(&mut tx, &new).await.unwrap().id.into();
    world.commit(tx).await;
    (world, policy, instance, port)
}

async fn give(world: &World, port: PortId, policy: QosPolicyId) {
    let mut tx = world.begin().await;
    assert!(port::port_lock(&mut tx, world.project, port).await.unwrap());
    let change = PortChange { qos_policy_id: Some(Some(policy)), ..PortChange::default() };
    port::port_update(&mut tx, world.project, port, &change).await.unwrap();
    world.commit(tx).await;
}

/// Narrows the policy beside the test.
fn narrow(world: &Arc<World>, policy: QosPolicyId) -> JoinHandle<Result<()>> {
    let world = world.clone();
    tokio::spawn(async move {
        let mut tx = world.begin().await;
        let change = QosPolicyChange { limits: Some(NARROW), ..QosPolicyChange::default() };
        qos_policy::qos_policy_update(&mut tx, world.project, policy, &change).await?.unwrap();
        world.commit(tx).await;
        Ok(())
    })
}

/// Until somebody waits for a lock in this test's database.
async fn until_one_waits(world: &World) {
    let waits =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let look = async {
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(world.store.pool()).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap();
}

/// Hosts that are told of a port's limits.
async fn told(world: &World, port: PortId) -> Vec<Option<Uuid>> {
    let (changes, _) = world.changes(0).await;
    changes.into_iter().filter(|(kind, id, _)| kind == "portlimits" && *id == port.as_uuid()).map(|c| c.2).collect()
}

#[tokio::test]
async fn the_host_of_a_machine_that_is_just_being_placed_is_told() {
    let (_database, connect) = database().await;
    let (world, policy, instance, port) = ground(&connect).await;
    give(&world, port, policy).await;
    let host = world.host("h", room(4)).await;
    let mut placing = world.begin().await;
    assert_eq!(placement::placement_commit(&mut placing, &[(instance, host)]).await.unwrap(), [instance]);
    let narrowing = narrow(&world, policy);
    until_one_waits(&world).await;
    world.commit(placing).await;
    narrowing.await.unwrap().unwrap();
    assert_eq!(told(&world, port).await, [Some(host.as_uuid())]);
}

#[tokio::test]
async fn a_port_that_is_just_given_the_policy_is_told() {
    let (_database, connect) = database().await;
    let (world, policy, instance, port) = ground(&connect).await;
    let host = world.host("h", room(4)).await;
    world.place(instance, host).await;
    let mut giving = world.begin().await;
    assert!(port::port_lock(&mut giving, world.project, port).await.unwrap());
    let change = PortChange { qos_policy_id: Some(Some(policy)), ..PortChange::default() };
    port::port_update(&mut giving, world.project, port, &change).await.unwrap();
    let narrowing = narrow(&world, policy);
    until_one_waits(&world).await;
    world.commit(giving).await;
    narrowing.await.unwrap().unwrap();
    assert_eq!(told(&world, port).await, [Some(host.as_uuid()); 2], "that it has the policy, and that this is less");
    let mut conn = world.store.connection().await.unwrap();
    let seen = port::port_get(&mut conn, world.project, port).await.unwrap().unwrap();
    assert_eq!(seen.limits.0, NARROW);
}

#[tokio::test]
async fn another_name_tells_nobody_and_one_in_use_stays() {
    let (_database, connect) = database().await;
    let (world, policy, instance, port) = ground(&connect).await;
    give(&world, port, policy).await;
    let host = world.host("h", room(4)).await;
    world.place(instance, host).await;
    let mut tx = world.begin().await;
    let other = name("r");
    let change = QosPolicyChange { name: Some(&other), ..QosPolicyChange::default() };
    qos_policy::qos_policy_update(&mut tx, world.project, policy, &change).await.unwrap().unwrap();
    world.commit(tx).await;
    assert_eq!(told(&world, port).await, [None; 0]);
    let mut tx = world.begin().await;
    assert_eq!(qos_policy::qos_policy_use(&mut tx, policy).await.unwrap(), 1);
    let refused = qos_policy::qos_policy_delete(&mut tx, world.project, policy).await;
    assert!(matches!(refused, Err(iroko_store::Error::InUse(_))), "{refused:?}");
}
