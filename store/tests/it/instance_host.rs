//! Where instances are: one home, and a second row while one moves.

use crate::world::{World, room, size};
use iroko_agent_wire::{AgentKind, InstanceObservation, Report};
use iroko_model::instance::{ObservedState, Status};
use iroko_model::{HostId, InstanceId};
use iroko_store::{host, instance, placement, report};
use iroko_test_database::database;

async fn moves(world: &World, id: InstanceId, to: HostId, role: &str) -> Result<(), sqlx::Error> {
    let row = "INSERT INTO instance_host (instance_id, project_id, host_id, role, vcpus, memory_mib, disk_gib)
               SELECT id, project_id, $2, $3, vcpus, memory_mib, disk_gib FROM instance WHERE id = $1";
    sqlx::query(row).bind(id.as_uuid()).bind(to.as_uuid()).bind(role).execute(world.store.pool()).await.map(drop)
}

async fn sees(world: &World, from: HostId, id: InstanceId, state: ObservedState, sequence: i64) {
    let seen = InstanceObservation::new(id, 1, state);
    let report = Report {
        agent: AgentKind::Compute,
        incarnation: 1,
        sequence,
        instances: vec![seen],
        ports: vec![],
        consoles: vec![],
        orphans: vec![],
        disk: None,
    };
    let mut tx = world.begin().await;
    let (taken, _) = report::reports_accept(&mut tx, &[(from, &report)]).await.unwrap();
    world.commit(tx).await;
    assert_eq!(taken, [true]);
}

async fn used(world: &World, id: HostId) -> i64 {
    let mut tx = world.store.begin().await.unwrap();
    host::host_get(&mut tx, id).await.unwrap().unwrap().used.vcpus
}

#[tokio::test]
async fn one_that_moves_takes_room_on_both_hosts_and_has_one_home() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let (here, there) = (world.host("here", room(4)).await, world.host("there", room(4)).await);
    let id = world.instance(size(3), &[]).await;
    world.place(id, here).await;
    assert!(moves(&world, id, there, "home").await.is_err(), "nobody is at home twice");
    moves(&world, id, there, "incoming").await.unwrap();
    assert_eq!((used(&world, here).await, used(&world, there).await), (3, 3));
    let other = world.instance(size(2), &[]).await;
    let mut tx = world.begin().await;
    let placed = placement::placement_commit(&mut tx, &[(other, there)]).await.unwrap();
    assert!(placed.is_empty(), "there is no room beside the one that comes");
    world.commit(tx).await;
    // What the other host sees of it is not what it is.
    sees(&world, here, id, ObservedState::Running, 1).await;
    sees(&world, there, id, ObservedState::Preparing, 1).await;
    assert_eq!(world.get(id).await.status(), Status::Running);
}

#[tokio::test]
async fn a_deletion_ends_when_no_host_has_anything_left() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let (here, there) = (world.host("here", room(4)).await, world.host("there", room(4)).await);
    let id = world.instance(size(1), &[]).await;
    world.place(id, here).await;
    moves(&world, id, there, "outgoing").await.unwrap();
    let mut tx = world.begin().await;
    assert!(instance::instance_delete(&mut tx, world.project, id).await.unwrap());
    world.commit(tx).await;
    let is_deleted = async || {
        let mut conn = world.store.connection().await.unwrap();
        let found = instance::instance_get(&mut conn, world.project, id).await.unwrap();
        found.is_none_or(|row| row.deleted_at.is_some())
    };
    sees(&world, here, id, ObservedState::Absent, 1).await;
    assert!(!is_deleted().await, "the other host has something of it");
    sees(&world, there, id, ObservedState::Absent, 1).await;
    assert!(is_deleted().await);
    assert_eq!((used(&world, here).await, used(&world, there).await), (0, 0));
}
