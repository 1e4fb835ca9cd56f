//! Instances: deletion gives everything back, power is only ever wanted.

use crate::world::{World, room, size};
use iroko_model::instance::{Power, Status};
use iroko_model::{InstanceId, PortId, ProjectId};
use iroko_store::port::{port_attach, port_get};
use iroko_store::{desired, instance};
use iroko_test_database::database;

async fn delete(world: &World, id: InstanceId) -> bool {
    let mut tx = world.begin().await;
    let found = instance::instance_delete(&mut tx, world.project, id).await.unwrap();
    world.commit(tx).await;
    found
}

#[tokio::test]
async fn deletion_frees_its_own_ports_and_keeps_standalone_ones() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(8)).await;
    let network = world.network(&["10.0.0.0/29"]).await;
    let mut tx = world.begin().await;
    let made = world.instance_in(&mut tx, size(1), &[network]).await.unwrap();
    let (id, own) = (made.common.id, PortId::from(made.interfaces.0[0].port_id));
    let (standalone, _, kept) = world.port(&mut tx, network).await.unwrap();
    assert!(port_attach(&mut tx, world.project, standalone, id, 1).await.unwrap());
    assert!(!port_attach(&mut tx, world.project, standalone, id, 2).await.unwrap(), "it is plugged in already");
    assert!(!port_attach(&mut tx, world.project, own, id, 2).await.unwrap(), "it is the machine's own");
    world.commit(tx).await;
    world.place(id, host).await;
    assert!(delete(&world, id).await && delete(&world, id).await, "asking again is no error");
    let (_, before) = world.changes(0).await;
    let mut tx = world.begin().await;
    instance::instance_finish_delete(&mut tx, &[id.as_uuid()]).await.unwrap();
    instance::instance_finish_delete(&mut tx, &[id.as_uuid()]).await.unwrap();
    assert!(port_get(&mut tx, world.project, own).await.unwrap().is_none());
    let left = port_get(&mut tx, world.project, standalone).await.unwrap().unwrap();
    assert_eq!((left.instance_id, left.bound), (None, false));
    assert_eq!(left.addresses.0[0].address, kept[0].address, "its address is kept");
    world.commit(tx).await;
    let here = Some(host.as_uuid());
    let (mut told, _) = world.changes(before).await;
    told.sort();
    let mut wanted = [
        ("instance".to_owned(), id.as_uuid(), here),
        ("port".to_owned(), standalone.as_uuid(), here),
        ("port".to_owned(), own.as_uuid(), here),
    ];
    wanted.sort();
    assert_eq!(told, wanted, "each once, also when finished twice");
    assert_eq!(world.get(id).await.status(), Status::Deleted);
    assert!(!delete(&world, id).await, "gone is gone");
    let mut conn = world.store.connection().await.unwrap();
    assert!(desired::ports_of_host(&mut conn, host).await.unwrap().is_empty());
    drop(conn);
    // The freed address and the freed port can be used again.
    let mut tx = world.begin().await;
    let next = world.instance_in(&mut tx, size(1), &[]).await.unwrap().common.id;
    assert!(port_attach(&mut tx, world.project, standalone, next, 0).await.unwrap());
    for _ in 0..3 {
        world.port(&mut tx, network).await.unwrap();
    }
}

#[tokio::test]
async fn a_machine_without_a_host_is_gone_at_once() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let network = world.network(&["10.0.0.0/29"]).await;
    let id = world.instance(size(1), &[network]).await;
    assert!(delete(&world, id).await);
    let gone = world.get(id).await;
    assert_eq!((gone.status(), gone.interfaces.0.len()), (Status::Deleted, 0));
    assert!(!delete(&world, id).await);
    let mut tx = world.begin().await;
    let live = world.instance_in(&mut tx, size(1), &[]).await.unwrap().common.id;
    instance::instance_finish_delete(&mut tx, &[live.as_uuid()]).await.unwrap();
    world.commit(tx).await;
    assert_eq!(world.get(live).await.status(), Status::Pending, "only what is wanted deleted is finished");
}

#[tokio::test]
async fn power_is_wanted_once_and_told_to_the_host() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let host = world.host("host", room(8)).await;
    let id = world.instance(size(1), &[]).await;
    world.place(id, host).await;
    let (_, mut revision) = world.changes(0).await;
    // What is asked; whether it is found; generation and outbox rows afterwards.
    let table: [(Option<Power>, bool, i64, usize); 6] = [
        (Some(Power::Running), true, 1, 0),
        (None, true, 2, 1),
        (Some(Power::Stopped), true, 3, 1),
        (Some(Power::Stopped), true, 3, 0),
        (None, false, 3, 0),
        (Some(Power::Running), true, 4, 1),
    ];
    for (number, (power, found, generation, told)) in table.into_iter().enumerate() {
        let mut tx = world.begin().await;
        let is_found = match power {
            Some(power) => instance::instance_set_power(&mut tx, world.project, id, power).await.unwrap(),
            None => instance::instance_reboot(&mut tx, world.project, id).await.unwrap(),
        };
        world.commit(tx).await;
        let (rows, next) = world.changes(revision).await;
        revision = next;
        assert_eq!(
            (is_found, world.get(id).await.common.generation, rows.len()),
            (found, generation, told),
            "row {number}"
        );
    }
    let stranger = ProjectId::new();
    let mut tx = world.begin().await;
    assert!(!instance::instance_set_power(&mut tx, stranger, id, Power::Stopped).await.unwrap());
    assert!(!instance::instance_reboot(&mut tx, stranger, id).await.unwrap());
    assert!(!instance::instance_delete(&mut tx, stranger, id).await.unwrap());
    assert!(instance::instance_delete(&mut tx, world.project, id).await.unwrap());
    assert!(!instance::instance_set_power(&mut tx, world.project, id, Power::Running).await.unwrap(), "being deleted");
}
