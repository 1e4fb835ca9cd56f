//! Hosts: who may join by which token, and which certificate holds.

use crate::world::{World, room, session, size};
use iroko_agent_wire::AgentKind::{self, Compute, Net};
use iroko_model::{EnrolmentTokenId, HostId};
use iroko_store::host::{self, EnrolRefusal};
use iroko_store::{Error, Result};
use iroko_test_database::database;
use std::sync::Arc;

async fn token(world: &World, secret: &[u8], bound: Option<&str>, valid_s: f64) -> EnrolmentTokenId {
    let mut conn = world.store.connection().await.unwrap();
    host::enrolment_token_insert(&mut conn, secret, bound, valid_s).await.unwrap().id.into()
}

async fn enrol(
    world: &World,
    secret: &[u8],
    kind: AgentKind,
    name: &str,
    serial: &str,
) -> Result<std::result::Result<HostId, EnrolRefusal>> {
    let mut tx = world.store.begin().await?;
    let admitted = host::enrol(&mut tx, secret, kind, name, serial).await?;
    if admitted.is_ok() {
        world.store.commit(tx).await?;
    }
    Ok(admitted)
}

async fn begin_session(world: &World, id: HostId, kind: AgentKind) -> Option<i64> {
    let mut tx = world.begin().await;
    let incarnation = host::session_begin(&mut tx, id, &session(kind, room(4))).await.unwrap();
    world.commit(tx).await;
    incarnation
}

async fn holds(world: &World, id: HostId, kind: AgentKind, serial: &str) -> bool {
    let mut conn = world.store.connection().await.unwrap();
    host::agent_certificates_hold(&mut conn, &[(id, kind, serial.to_owned())]).await.unwrap() == [true]
}

#[tokio::test]
async fn certificates_are_looked_up_together_each_by_itself() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 2).await;
    token(&world, b"open", None, 600.0).await;
    let id = enrol(&world, b"open", Net, "host-1", "1").await.unwrap().unwrap();
    assert_eq!(enrol(&world, b"open", Compute, "host-1", "2").await.unwrap(), Ok(id));
    let mut conn = world.store.connection().await.unwrap();
    host::agent_certificate_issued(&mut conn, id, Compute, "3").await.unwrap();
    let shown = [(id, Net, "2"), (id, Compute, "3"), (HostId::new(), Net, "1"), (id, Net, "1"), (id, Net, "1")];
    let shown = shown.map(|(id, kind, serial)| (id, kind, serial.to_owned()));
    let hold = host::agent_certificates_hold(&mut conn, &shown).await.unwrap();
    assert_eq!(hold, [false, true, false, true, true]);
    assert!(host::agent_certificates_hold(&mut conn, &[]).await.unwrap().is_empty());
    drop(conn);
    assert!(!holds(&world, id, Compute, "2").await, "the new one was shown: it takes the place of the old");
}

#[tokio::test]
async fn each_agent_uses_a_token_once() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    token(&world, b"open", None, 600.0).await;
    token(&world, b"bound", Some("host-2"), 600.0).await;
    token(&world, b"ended", None, 0.0).await;
    assert_eq!(enrol(&world, b"wrong", Net, "host-1", "1").await.unwrap(), Err(EnrolRefusal::Token));
    assert_eq!(enrol(&world, b"ended", Net, "host-1", "1").await.unwrap(), Err(EnrolRefusal::Token));
    assert_eq!(enrol(&world, b"bound", Net, "host-1", "1").await.unwrap(), Err(EnrolRefusal::Name));
    let id = enrol(&world, b"open", Net, "host-1", "1").await.unwrap().unwrap();
    assert_eq!(enrol(&world, b"open", Compute, "host-9", "2").await.unwrap(), Err(EnrolRefusal::Name));
    assert_eq!(enrol(&world, b"open", Compute, "host-1", "2").await.unwrap(), Ok(id), "the other agent of the host");
    // The answer was lost: the agent asks again with a new key, and its first certificate ends.
    assert_eq!(enrol(&world, b"open", Net, "host-1", "3").await.unwrap(), Ok(id));
    assert!(holds(&world, id, Net, "3").await && !holds(&world, id, Net, "1").await);
    assert_eq!(begin_session(&world, id, Net).await, Some(1));
    assert_eq!(enrol(&world, b"open", Net, "host-1", "4").await.unwrap(), Err(EnrolRefusal::Used));
    assert_eq!(enrol(&world, b"open", Compute, "host-1", "5").await.unwrap(), Ok(id), "it has not begun yet");
    let taken = enrol(&world, b"bound", Net, "host-2", "6").await.unwrap().unwrap();
    assert_ne!(taken, id);
    token(&world, b"second", None, 600.0).await;
    let refused = enrol(&world, b"second", Net, "host-2", "7").await;
    assert!(matches!(refused, Err(Error::Taken(_))), "an open token does not take a host over: {refused:?}");
}

#[tokio::test]
async fn a_bound_token_lets_a_host_join_anew() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let id = world.host("host-1", room(4)).await;
    token(&world, b"anew", Some("host-1"), 600.0).await;
    assert_eq!(enrol(&world, b"anew", Compute, "host-1", "1").await.unwrap(), Ok(id));
    assert!(!holds(&world, id, Compute, "host-1").await, "the certificate of the first life ends");
    // Sessions of the first life do not use the token up: the lost answer can be repeated.
    assert_eq!(enrol(&world, b"anew", Compute, "host-1", "2").await.unwrap(), Ok(id));
    assert_eq!(begin_session(&world, id, Compute).await, Some(2), "incarnations go on");
    assert_eq!(enrol(&world, b"anew", Compute, "host-1", "3").await.unwrap(), Err(EnrolRefusal::Used));
    assert!(holds(&world, id, Compute, "2").await);
}

#[tokio::test]
async fn both_agents_of_a_new_host_may_join_at_once() {
    let (_database, connect) = database().await;
    let world = Arc::new(World::new(&connect, 6).await);
    for number in 0..20 {
        let (secret, name) = (format!("secret-{number}"), format!("host-{number}"));
        token(&world, secret.as_bytes(), None, 600.0).await;
        let join = |kind| {
            let (world, secret, name) = (world.clone(), secret.clone(), name.clone());
            tokio::spawn(async move { enrol(&world, secret.as_bytes(), kind, &name, "1").await })
        };
        let (compute, net) = tokio::join!(join(Compute), join(Net));
        let (compute, net) = (compute.unwrap().unwrap(), net.unwrap().unwrap());
        assert!(compute.is_ok() && compute == net, "host {number}: {compute:?} {net:?}");
    }
}

#[tokio::test]
async fn a_new_certificate_ends_the_old_one_at_its_first_use() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let id = world.host("host-1", room(4)).await;
    let mut conn = world.store.connection().await.unwrap();
    host::agent_certificate_issued(&mut conn, id, Net, "lost").await.unwrap();
    host::agent_certificate_issued(&mut conn, id, Net, "next").await.unwrap();
    drop(conn);
    assert!(holds(&world, id, Net, "host-1").await, "the answer may be lost: the old one holds");
    assert!(!holds(&world, id, Net, "lost").await && !holds(&world, id, Compute, "next").await);
    assert!(holds(&world, id, Net, "next").await);
    assert!(!holds(&world, id, Net, "host-1").await, "the new one was used");
}

#[tokio::test]
async fn a_deleted_host_is_refused_and_one_in_use_stays() {
    let (_database, connect) = database().await;
    let world = World::new(&connect, 4).await;
    let id = world.host("host-1", room(4)).await;
    let machine = world.instance(size(1), &[]).await;
    world.place(machine, id).await;
    let mut conn = world.store.connection().await.unwrap();
    let refused = host::host_delete(&mut conn, id, 20.0).await;
    assert!(matches!(refused, Err(Error::InUse(_))), "{refused:?}");
    let mut tx = world.begin().await;
    iroko_store::instance::instance_delete(&mut tx, world.project, machine).await.unwrap();
    iroko_store::instance::instance_finish_delete(&mut tx, &[machine.as_uuid()]).await.unwrap();
    world.commit(tx).await;
    assert!(host::host_delete(&mut conn, id, 20.0).await.unwrap());
    assert!(!host::host_delete(&mut conn, id, 20.0).await.unwrap());
    assert!(!holds(&world, id, Net, "host-1").await && !holds(&world, id, Compute, "host-1").await);
    assert_eq!(begin_session(&world, id, Net).await, None);
}
